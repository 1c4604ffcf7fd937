"""`nolapse holds`: what waits for a human, and its case closed in one call."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console

from cli.operators import WhoOption, show
from cli.policy import refusals
from cli.target import DatabaseOption, open_target
from local.stack import planning_limits
from nolapse.delivery.holds import Decision, list_holds
from nolapse.delivery.holds import resolve as resolve_hold
from nolapse.runtime.reports import holds_table

app = typer.Typer(no_args_is_help=True, help="Notifications that only a human can settle.")


@app.command("list")
def list_all(
    tenant: Annotated[str | None, typer.Option(help="Slug; else all tenants.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Show what is held, why, since when, and what its attempts know."""
    now = datetime.now(UTC)
    with open_target(database).engine.connect() as connection:
        show(Console(), [holds_table(list_holds(connection, now=now, tenant=tenant), now)])


@app.command("resolve")
def resolve(
    key: Annotated[str, typer.Argument(metavar="NOTIFICATION", help="As `holds list` shows it.")],
    decision: Annotated[
        Decision,
        typer.Argument(help="SENT: it did leave. SEND_AGAIN: it did not. DROP: it is not wanted any more."),
    ],
    who: WhoOption,
    database: DatabaseOption = None,
) -> None:
    """Close one case: it left, it is sent again, or it is dropped."""
    console = Console()
    try:
        wanted = bytes.fromhex(key)
    except ValueError:
        raise typer.BadParameter("64 hexadecimal digits", param_hint="NOTIFICATION") from None
    now = datetime.now(UTC)
    late_since = now - timedelta(days=planning_limits()["lookback_days"])
    with refusals(console), open_target(database).engine.begin() as connection:
        status = resolve_hold(connection, wanted, decision, who=who, now=now, late_since=late_since)
    console.print(f"[green]✓[/] {key} is {status}", soft_wrap=True)
