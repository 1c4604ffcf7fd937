"""`nolapse simulate`: the coming months against the senders' capacity, and the days that will not fit."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from cli.target import DatabaseOption, open_target
from local.home import home
from local.simulate_page import Simulation, write_simulation
from nolapse.domain.errors import NolapseError
from nolapse.domain.feasibility import MAILBOX_PER_MINUTE, Day, Misfit, Outlook, rate_needed
from nolapse.planning.simulate import drafts_named
from nolapse.planning.simulate import simulate as simulate_months

DAYS_A_MONTH = 365.25 / 12
BARS = "▁▂▃▄▅▆▇█"
MOST_MISFITS = 20
# As the API's dates have it: at the ends of the calendar, no zone can be reckoned with.
YEARS = range(1900, 2200)


def simulate(
    months: Annotated[int, typer.Option(min=1, max=60, help="How far to look.")] = 12,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME", help="Judge by the draft of this policy.")
    ] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day (UTC); else now.")
    ] = None,
    mailboxes: Annotated[int, typer.Option(min=1, help="Microsoft 365 mailboxes that send.")] = 1,
    page: Annotated[Path | None, typer.Option(help="Where the page goes; simulation.html.")] = None,
    database: DatabaseOption = None,
) -> None:
    """Compute what would be sent per day, and name the days that will not fit. Stores nothing."""
    console = Console()
    since = start.replace(tzinfo=UTC) if start else datetime.now(UTC).replace(second=0, microsecond=0)
    if since.year not in YEARS:
        raise typer.BadParameter("a day from 1900 to 2199, such as 2027-01-31", param_hint="--from")
    until = since + timedelta(days=months * DAYS_A_MONTH)
    engine = open_target(database).engine
    try:
        with console.status("computing what the dates call for …"):
            simulation = compute(engine, since, until, mailboxes, policy)
    except NolapseError as refused:
        console.print(f"[red]✗[/] {escape(str(refused))}")
        raise typer.Exit(1) from None
    finally:
        engine.dispose()
    print_simulation(console, simulation)
    target = write_simulation(simulation, page or home() / "simulation.html")
    console.print(f"page: [link={target.resolve().as_uri()}]{target}[/]")


def compute(
    engine: Engine, since: datetime, until: datetime, mailboxes: int, policy: str | None
) -> Simulation:
    def under(drafts: Sequence[UUID]) -> dict[str, Outlook]:
        capacity = {"EMAIL": mailboxes * MAILBOX_PER_MINUTE}
        return simulate_months(engine, since=since, until=until, capacity=capacity, drafts=drafts)

    noun = "mailbox" if mailboxes == 1 else "mailboxes"
    return Simulation(
        since,
        until,
        senders=f"{mailboxes} {noun} of {MAILBOX_PER_MINUTE} messages a minute",
        channels=under(drafts_named(engine, policy) if policy else ()),
        draft=policy,
        before=under(()) if policy else None,
    )


def print_simulation(console: Console, simulation: Simulation) -> None:
    if not simulation.channels:
        console.print("No date calls for a message in this time.")
    for channel, outlook in simulation.channels.items():
        before = None if simulation.before is None else simulation.before.get(channel)
        console.print(month_table(simulation, channel, outlook, before))
        if outlook.misfits:
            console.print(misfit_table(outlook.misfits))
        console.print(verdict(outlook))


def month_table(simulation: Simulation, channel: str, outlook: Outlook, before: Outlook | None) -> Table:
    under = f" under the draft of “{simulation.draft}”" if simulation.draft else ""
    table = Table(title=f"{channel}{under}: {simulation.senders}", title_justify="left")
    table.add_column("Month")
    table.add_column("Messages", justify="right")
    if simulation.draft:
        table.add_column("Without it", justify="right")
    table.add_column("Day by day (UTC)", no_wrap=True)
    table.add_column("Busiest day")
    table.add_column("Late", justify="right")
    by_month = months_of(outlook.days)
    unchanged = months_of(before.days if before else ())
    tallest = max(day.messages for day in outlook.days)
    for month, dates in groupby(simulation.days, key=lambda on: (on.year, on.month)):
        days = {day.on: day for day in by_month.get(month, [])}
        busiest = max(days.values(), key=lambda day: day.messages, default=None)
        late = sum(day.late for day in days.values())
        table.add_row(
            f"{date(*month, 1):%b %Y}",
            f"{_messages(days.values()):,}",
            *([f"{_messages(unchanged.get(month, [])):,}"] if simulation.draft else []),
            day_bars(list(dates), days, tallest),
            f"{busiest.on.day:>2}: {busiest.messages:,} of {busiest.capacity:,}" if busiest else "",
            Text(f"{late:,}", style="bold red" if late else "dim"),
        )
    return table


def day_bars(dates: list[date], days: dict[date, Day], tallest: int) -> Text:
    """A character for each day in its place of the month; red where a window will not fit."""
    bars = Text(" " * (dates[0].day - 1))
    for on in dates:
        day = days.get(on)
        if day is None:
            bars.append("·", style="dim")
        else:
            height = ceil(day.messages / tallest * len(BARS)) - 1
            bars.append(BARS[height], style="bold red" if day.late else "blue")
    return bars


def misfit_table(misfits: Sequence[Misfit]) -> Table:
    table = Table(title="Windows that will not fit", title_justify="left")
    for heading in ("Day", "Window (UTC)"):
        table.add_column(heading)
    for heading in ("Messages", "Late"):
        table.add_column(heading, justify="right")
    for misfit in misfits[:MOST_MISFITS]:
        opens, closes = misfit.demand.opens, misfit.demand.closes
        table.add_row(
            f"{opens:%a %d %b %Y}", f"{opens:%H:%M}-{closes:%H:%M}", f"{misfit.demand.messages:,}",
            f"[bold red]{misfit.late:,}[/]",
        )  # fmt: skip
    if len(misfits) > MOST_MISFITS:
        table.add_row(f"[dim]{len(misfits) - MOST_MISFITS:,} more on the page[/]", "", "", "")
    return table


def verdict(outlook: Outlook) -> str:
    needed = rate_needed(outlook.demands)
    if not outlook.misfits:
        return (
            f"[green]✓[/] {outlook.messages:,} messages fit into their windows; {needed:,} a minute would do."
        )
    days = sum(day.late > 0 for day in outlook.days)
    return (
        f"[red]✗[/] {outlook.late:,} of {outlook.messages:,} messages would be late, on {days:,} days: it takes "
        f"{needed:,} a minute, {ceil(needed / MAILBOX_PER_MINUTE):,} mailboxes."
    )


def months_of(days: Iterable[Day]) -> dict[tuple[int, int], list[Day]]:
    return {month: list(found) for month, found in groupby(days, key=lambda day: (day.on.year, day.on.month))}


def _messages(days: Iterable[Day]) -> int:
    return sum(day.messages for day in days)
