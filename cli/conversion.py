"""`nolapse conversion`: what became of reminders, per tenant and event."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.target import DatabaseOption, open_target
from nolapse.oversight.conversion import Conversion
from nolapse.oversight.conversion import conversion as conversion_of

HOUR = timedelta(hours=1)


def conversion(
    days: Annotated[int, typer.Option(min=1, max=3660, help="How far to look back.")] = 90,
    database: DatabaseOption = None,
) -> None:
    """Show how many reminders were answered, with what, and how soon."""
    now = datetime.now(UTC)
    engine = open_target(database).engine
    with engine.connect() as connection:
        found = conversion_of(connection, since=now - timedelta(days=days), until=now)
    engine.dispose()
    console = Console()
    console.print(conversion_table(found, days))
    if not found:
        console.print("No reminder about a licence has left since.")


def conversion_table(found: Sequence[Conversion], days: int) -> Table:
    table = Table(title=f"From reminder to answer, last {days} days", title_justify="left")
    for heading in ("Tenant", "Event"):
        table.add_column(heading)
    for heading in ("Sent", "Answered", "Renewed", "In progress", "Not mine", "Median time"):
        table.add_column(heading, justify="right")
    for each in found:
        table.add_row(
            each.tenant, each.event.lower().replace("_", " "), f"{each.sent:,}",
            f"{each.answered:,} ({each.answered / each.sent:.0%})", f"{each.renewed:,}", f"{each.in_progress:,}",
            f"{each.not_mine:,}", _duration(each.median_time),
        )  # fmt: skip
    return table


def _duration(time: timedelta | None) -> str:
    if time is None:
        return "—"
    return f"{time / timedelta(days=1):.1f} days" if time >= 48 * HOUR else f"{time / HOUR:.1f} hours"
