"""Stacked columns, measured for the SVG that the overview draws: no chart library in the page."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

PLOT_WIDTH = 720
PLOT_HEIGHT = 180
HOURS = 24
MOST_LABELS = 15


@dataclass(frozen=True, slots=True)
class Series:
    """What one colour of a chart stands for."""

    tone: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Segment:
    tone: str
    top: float
    height: float


@dataclass(frozen=True, slots=True)
class Column:
    left: float
    width: float
    label: str
    """Empty where a label would crowd its neighbours'."""
    title: str
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    series: Sequence[Series]
    columns: Sequence[Column]
    ceiling: int
    band: tuple[float, float] | None
    """Left edge and width of the shaded background, in plot units."""
    band_label: str = ""
    width: int = PLOT_WIDTH
    height: int = PLOT_HEIGHT


def messages_per_day(sent: Sequence[tuple[date, str]], series: Sequence[Series]) -> Chart:
    """`sent`: the local day and the series name of every message, at least one; empty days are drawn too."""
    first, last = min(day for day, _ in sent), max(day for day, _ in sent)
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    columns, ceiling = _columns(days, [f"{day:%b} {day.day}" for day in days], sent, series)
    return Chart("Messages per day", series, columns, ceiling, band=None)


def messages_per_hour(
    sent: Sequence[tuple[int, str]], series: Sequence[Series], window: tuple[int, int]
) -> Chart:
    """`sent`: the local hour and the series name of every message; `window`: the hours of the shaded band."""
    labels = [f"{hour:02}:00" for hour in range(HOURS)]
    columns, ceiling = _columns(list(range(HOURS)), labels, sent, series)
    opens, closes = window
    step = PLOT_WIDTH / HOURS
    return Chart(
        "Messages per hour, in the recipient's local time",
        series,
        columns,
        ceiling,
        band=(opens * step, (closes - opens) % HOURS * step),
        band_label=f"Window {opens:02}:00 to {closes:02}:00",
    )


def _columns(
    places: Sequence[Hashable],
    labels: Sequence[str],
    sent: Sequence[tuple[Hashable, str]],
    series: Sequence[Series],
) -> tuple[list[Column], int]:
    """One column per place, and the value at the top of the plot."""
    counts = Counter(sent)
    totals = Counter(place for place, _ in sent)
    ceiling = max(totals.values())
    step = PLOT_WIDTH / len(places)
    every = ceil(len(places) / MOST_LABELS)
    columns = []
    for number, (place, label) in enumerate(zip(places, labels, strict=True)):
        parts = [(item, counts[place, item.name]) for item in series if counts[place, item.name]]
        spoken = ", ".join(f"{item.name} {count}" for item, count in parts)
        columns.append(
            Column(
                left=number * step + step * 0.12,
                width=step * 0.76,
                label=label if number % every == 0 else "",
                title=f"{label}: {totals[place]}" + (f" ({spoken})" if spoken else ""),
                segments=_stack([(item.tone, count) for item, count in parts], ceiling),
            )
        )
    return columns, ceiling


def _stack(parts: Sequence[tuple[str, int]], ceiling: int) -> list[Segment]:
    segments, floor = [], float(PLOT_HEIGHT)
    for tone, count in parts:
        height = count / ceiling * PLOT_HEIGHT
        floor -= height
        segments.append(Segment(tone, floor, height))
    return segments
