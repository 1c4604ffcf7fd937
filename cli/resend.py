"""`nolapse resend`: what should have reached people and did not, sent again."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from cli.operators import DryRunOption, RateOption, WhoOption, YesOption, show
from cli.target import DatabaseOption, open_target
from local.stack import planning_limits
from nolapse.delivery.resend import Wanted, find_unsent, send_again
from nolapse.runtime.operations import PER_SECOND
from nolapse.runtime.reports import unsent_table

SPAN = re.compile(r"([1-9]\d{0,4})([dh])")
UNITS = {"d": "days", "h": "hours"}


def span(text: str) -> timedelta:
    found = SPAN.fullmatch(text)
    if not found:
        raise typer.BadParameter("days or hours, such as 14d or 6h", param_hint="--since")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def resend(
    who: WhoOption,
    since: Annotated[
        str | None, typer.Option(metavar="14d", help="How far back; else as far as late messages go.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Slug; else all tenants.")] = None,
    event: Annotated[str | None, typer.Option(help="Such as PAST_DUE; else all.")] = None,
    reason: Annotated[
        str | None,
        typer.Option(help="How the reason begins: takes also what would not be tried again by itself."),
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    rate: RateOption = PER_SECOND,
    database: DatabaseOption = None,
) -> None:
    """Send again what was given up for a fault that is put right, or what a flag held back."""
    console, now = Console(), datetime.now(UTC)
    lookback = timedelta(days=planning_limits()["lookback_days"])
    wanted = Wanted(now - min(span(since), lookback) if since else now - lookback, tenant, event, reason)
    engine = open_target(database).engine
    with engine.connect() as connection:
        unsent = find_unsent(connection, wanted, now=now)
    show(console, [unsent_table("To be sent again", unsent)])
    if dry_run or not unsent:
        return
    if not yes and not typer.confirm(f"Send {len(unsent):,} again?"):
        raise typer.Abort
    counts = send_again(engine, unsent, who=who, now=now, per_second=rate)
    console.print(
        f"[green]✓[/] {counts['PENDING']:,} wait within their window, {counts['LATE_PENDING']:,} for a late one;"
        f" {len(unsent) - counts.total():,} were taken care of meanwhile"
    )
