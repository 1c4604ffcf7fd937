"""The page of a policy's diff: what a draft would change, in one file of static HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from local.pages import MAILBOX, templates
from nolapse.planning.policies.diff import CHANGES, Day, PolicyDiff

PLOT_WIDTH = 720
PLOT_HEIGHT = 180


@dataclass(frozen=True, slots=True)
class Place:
    """A day's place on the plot, and what is said of it."""

    left: float
    title: str


@dataclass(frozen=True, slots=True)
class DayChart:
    """Two step lines over the same days, as SVG paths; the y axis ends at `ceiling`."""

    active: str
    draft: str
    ceiling: int
    days: Sequence[Place]
    months: Sequence[Place]
    step: float
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT


def chart(days: Sequence[Day]) -> DayChart:
    """`days`: at least one; those between them on which nobody is told are drawn too."""
    counts = {day.on_date: day for day in days}
    first, last = min(counts), max(counts)
    dates = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    rows = [counts.get(on_date, Day(on_date, 0, 0)) for on_date in dates]
    ceiling = max(max(day.active, day.draft) for day in rows)
    step = PLOT_WIDTH / len(rows)
    return DayChart(
        active=_steps([day.active for day in rows], ceiling),
        draft=_steps([day.draft for day in rows], ceiling),
        ceiling=ceiling,
        days=[
            Place(
                number * step,
                f"{day.on_date:%a %d %b %Y}: {day.active:,} as it is, {day.draft:,} by the draft",
            )
            for number, day in enumerate(rows)
        ],
        months=_months(dates, step),
        step=step,
    )


def write_page(path: Path, name: str, found: PolicyDiff) -> None:
    page = (
        templates(MAILBOX)
        .get_template("policy.html")
        .render(
            name=name,
            found=found,
            meaning=CHANGES,
            chart=chart(found.days) if found.days else None,
            css=(MAILBOX / "mailbox.css").read_text(encoding="utf-8"),
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _steps(counts: Sequence[int], ceiling: int) -> str:
    """Along the top of each day's column, from the ground at the left to the ground at the right."""
    step = PLOT_WIDTH / len(counts)
    tops = [f"V{PLOT_HEIGHT - count / ceiling * PLOT_HEIGHT:.1f}h{step:.3f}" for count in counts]
    return f"M0 {PLOT_HEIGHT}{''.join(tops)}V{PLOT_HEIGHT}"


def _months(dates: Sequence[date], step: float) -> Sequence[Place]:
    return [
        Place(number * step, f"{on_date:%b %Y}" if on_date.month == 1 else f"{on_date:%b}")
        for number, on_date in enumerate(dates)
        if on_date.day == 1
    ]
