"""The page of a simulation: a chart of the coming days against the senders' capacity, and what will not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from local.pages import HERE, MAILBOX, templates, write_page
from nolapse.domain.feasibility import Day, Outlook, rate_needed

TEMPLATES = (HERE / "simulate_templates", MAILBOX)
PLOT_WIDTH = 1100
PLOT_HEIGHT = 260
# A capacity far above every bar would press them flat: it is named in the legend instead.
HIGHEST_CAPACITY_DRAWN = 2
MOST_DATES = 16
MONTHS_FROM = 45


@dataclass(frozen=True, slots=True)
class Simulation:
    """What `nolapse simulate` found, by channel; `before`: the same without the draft, where there is one."""

    since: datetime
    until: datetime
    senders: str
    channels: Mapping[str, Outlook]
    draft: str | None = None
    before: Mapping[str, Outlook] | None = None

    @property
    def days(self) -> list[date]:
        first = self.since.astimezone(UTC).date()
        last = (self.until - timedelta(microseconds=1)).astimezone(UTC).date()
        return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


@dataclass(frozen=True, slots=True)
class Bar:
    """In plot units from the top; `capacity` is None where it is not drawn."""

    left: float
    width: float
    top: float
    height: float
    late_height: float
    capacity: float | None
    misfit: bool
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    channel: str
    bars: Sequence[Bar]
    labels: Sequence[tuple[float, str]]
    by_month: bool
    ceiling: int
    messages: int
    late: int
    misfit_days: int
    least_capacity: int
    capacity_drawn: bool
    rate_needed: int
    per_minute: int
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT


def write_simulation(simulation: Simulation, page: Path) -> Path:
    """Write the page, which needs no other file; what was there is replaced."""
    pages = templates(*TEMPLATES)
    charts = [chart(channel, outlook, simulation.days) for channel, outlook in simulation.channels.items()]
    html = pages.get_template("simulation.html").render(simulation=simulation, charts=charts)
    return write_page(page, html)


def chart(channel: str, outlook: Outlook, days: Sequence[date]) -> Chart:
    """A bar for each of `days`, empty ones too. There is at least one message."""
    tallest = max(day.messages for day in outlook.days)
    most = max(day.capacity for day in outlook.days)
    drawn = most <= tallest * HIGHEST_CAPACITY_DRAWN
    ceiling = max(tallest, most) if drawn else tallest
    by_date = {day.on: day for day in outlook.days}
    step = PLOT_WIDTH / len(days)
    return Chart(
        channel,
        bars=[
            _bar(by_date[on], number * step, step, ceiling, drawn)
            for number, on in enumerate(days)
            if on in by_date
        ],
        labels=_labels(days, step),
        by_month=len(days) > MONTHS_FROM,
        ceiling=ceiling,
        messages=outlook.messages,
        late=outlook.late,
        misfit_days=sum(day.late > 0 for day in outlook.days),
        least_capacity=min(day.capacity for day in outlook.days),
        capacity_drawn=drawn,
        rate_needed=rate_needed(outlook.demands),
        per_minute=outlook.per_minute,
    )


def _bar(day: Day, left: float, step: float, ceiling: int, capacity_drawn: bool) -> Bar:
    def units(messages: int) -> float:
        return messages / ceiling * PLOT_HEIGHT

    late = f", {day.late:,} of them late" if day.late else ""
    return Bar(
        left=left + step * 0.1,
        width=step * 0.8,
        top=PLOT_HEIGHT - units(day.messages),
        height=units(day.messages),
        late_height=units(day.late),
        capacity=PLOT_HEIGHT - units(day.capacity) if capacity_drawn else None,
        misfit=day.late > 0,
        title=f"{day.on:%a} {day.on.day} {day.on:%b %Y}: {day.messages:,} messages{late}; "
        f"the senders carry {day.capacity:,} in its windows",
    )


def _labels(days: Sequence[date], step: float) -> list[tuple[float, str]]:
    """Where a month begins, or for a short stretch some of the days."""
    if len(days) > MONTHS_FROM:
        months = -(-len(days) // (31 * MOST_DATES))
        return [
            (number * step, f"{on:%b %Y}" if on.month == 1 else f"{on:%b}")
            for number, on in enumerate(days)
            if on.day == 1 and (on.month - 1) % months == 0
        ]
    every = -(-len(days) // MOST_DATES)
    return [
        ((number + 0.5) * step, f"{on:%b} {on.day}") for number, on in enumerate(days) if number % every == 0
    ]
