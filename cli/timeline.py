"""`nolapse timeline`: all that was, is and will be told about a licence or a person."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from cli.target import DatabaseOption, open_target
from local.stack import planning_limits
from nolapse.domain.errors import NolapseError
from nolapse.domain.zones import pinned_zone
from nolapse.planning.plan import bounds
from nolapse.planning.timeline import Entry, find_license, find_person
from nolapse.planning.timeline import timeline as timeline_of

STYLES = {
    "SENT": "green", "DELIVERED": "green", "PENDING": "cyan", "BEYOND_HORIZON": "dim", "CANCELLED": "dim",
    "SUPPRESSED": "dim", "LATE_PENDING": "yellow", "QUEUED": "cyan", "SENDING": "cyan",
}  # fmt: skip
PROBLEM = "bold red"


def timeline(
    license_number: Annotated[str | None, typer.Option("--license", metavar="NUMBER")] = None,
    person: Annotated[
        str | None, typer.Option(metavar="ID", help="Ours, or what the tenant's own systems call them.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Slug, where several tenants have such a one.")] = None,
    license_type: Annotated[
        str | None, typer.Option("--type", help="The licence's type, where several have the number.")
    ] = None,
    years: Annotated[int, typer.Option(min=1, max=20, help="How far to look ahead.")] = 3,
    history: Annotated[bool, typer.Option("--history", help="Each attempt and transition too.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Show everything expected, sent, late, cancelled or deferred, in order, with reasons."""
    console = Console()
    if (license_number is None) == (person is None):
        raise typer.BadParameter("name one: a licence or a person", param_hint="--license / --person")
    now = datetime.now(UTC)
    limits = planning_limits()
    stored_until = bounds(
        now, horizon_months=limits["horizon_months"], lookback_days=limits["lookback_days"]
    ).horizon
    try:
        with open_target(database).engine.begin() as connection:
            if license_number is not None:
                subject = find_license(connection, license_number, tenant=tenant, license_type=license_type)
            else:
                subject = find_person(connection, str(person), tenant=tenant)
            entries = timeline_of(
                connection,
                subject,
                now=now,
                stored_until=stored_until,
                until=now + timedelta(days=365.25 * years),
            )
    except NolapseError as refused:
        console.print(f"[red]✗[/] {escape(str(refused))}")
        raise typer.Exit(1) from None
    console.print(timeline_table(entries, now, history=history))
    if not entries:
        console.print("Nothing is stored, and no date calls for anything.")


def timeline_table(entries: list[Entry], now: datetime, *, history: bool) -> Table:
    table = Table(title="Timeline, in each recipient's local time", title_justify="left")
    for heading in ("Window", "Event", "About", "Recipient", "Status", "Why, and what became of it"):
        table.add_column(heading)
    before = True
    for entry in entries:
        if before and entry.opens > now:
            before = False
            table.add_section()
        table.add_row(
            _window(entry),
            entry.event.lower().replace("_", " "),
            Text(entry.license or f"{entry.occasion.lower()} {entry.occurrence}"),
            Text(entry.recipient),
            Text(entry.status.lower().replace("_", " "), style=STYLES.get(entry.status, PROBLEM)),
            Text("\n".join(_story(entry, history))),
        )
    return table


def _window(entry: Entry) -> str:
    opens, closes = _local(entry.opens, entry), _local(entry.closes, entry)
    return f"{opens:%a %d %b %Y %H:%M}-{closes:%H:%M}"


def _story(entry: Entry, history: bool) -> list[str]:
    lines = [entry.reason] if entry.reason else []
    if entry.late:
        lines.append("late")
    attempts = entry.attempts if history else entry.attempts[-1:]
    lines += [
        f"{_local(each.at, entry):%d %b %H:%M} {each.provider}, try {each.number}: "
        f"{(each.outcome or 'in flight').lower().replace('_', ' ')}"
        + (f" ({each.code})" if each.code else "")
        for each in attempts
    ]
    if history:
        lines += [
            f"{_local(each.at, entry):%d %b %H:%M} {each.actor}: {each.before.lower()} to {each.after.lower()}"
            + (f" ({each.reason})" if each.reason else "")
            for each in entry.transitions
        ]
    return lines


def _local(instant: datetime, entry: Entry) -> datetime:
    return instant.astimezone(pinned_zone(entry.zone))
