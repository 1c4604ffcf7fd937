"""When a text message may leave: hours of each day of the week, in the recipient's local time."""

from calendar import day_abbr
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby

from nolapse.domain.windows import Window, to_utc
from nolapse.domain.zones import pinned_zone

# Two runs of holidays and the Sundays around them.
LOOK_AHEAD_DAYS = 14
# What rings a phone keeps quiet hours.
TEXTS = frozenset({"SMS", "WHATSAPP"})


@dataclass(frozen=True, slots=True)
class Hours:
    """Local times: [opens, closes)."""

    opens: time
    closes: time

    def __str__(self) -> str:
        return f"{self.opens:%H:%M}-{self.closes:%H:%M}"


# Every day, whatever a state allows beyond them, unless the settings narrow or widen them.
OURS = Hours(time(8), time(20))


@dataclass(frozen=True, slots=True)
class Week:
    """By day, Monday first; None: not on that day. Nor on one of `closed`."""

    days: Sequence[Hours | None]
    closed: Collection[date] = frozenset()

    def on(self, day: date) -> Hours | None:
        return None if day in self.closed else self.days[day.weekday()]


def every_day(hours: Hours) -> Week:
    return Week([hours] * 7)


def next_open(instant: datetime, zone: str, weeks: Sequence[Week]) -> Window | None:
    """The first stretch at or after `instant` that all of `weeks` leave open; None: not within a fortnight."""
    first = instant.astimezone(pinned_zone(zone)).date()
    for days in range(LOOK_AHEAD_DAYS + 1):
        window = _open_on(first + timedelta(days=days), zone, weeks)
        if window and window.end > instant:
            return Window(max(instant, window.start), window.end)
    return None


def common(weeks: Sequence[Week]) -> Week:
    """What all of `weeks` leave open on an ordinary day."""
    return Week([_shared(hours) for hours in zip(*(week.days for week in weeks), strict=True)])


def spoken(week: Week) -> str:
    """`Mon-Fri 09:00-18:00, Sat 10:00-17:00`; nothing of days on which nothing leaves."""
    runs = [(hours, list(days)) for hours, days in groupby(range(len(week.days)), lambda day: week.days[day])]
    return ", ".join(f"{_named(days)} {hours}" for hours, days in runs if hours)


def _named(days: Sequence[int]) -> str:
    first, last = day_abbr[days[0]], day_abbr[days[-1]]
    return first if first == last else f"{first}-{last}"


def _shared(hours: Iterable[Hours | None]) -> Hours | None:
    opens, closes = time.min, time.max
    for each in hours:
        if each is None:
            return None
        opens, closes = max(opens, each.opens), min(closes, each.closes)
    return Hours(opens, closes) if opens < closes else None


def _open_on(day: date, zone: str, weeks: Sequence[Week]) -> Window | None:
    hours = _shared(week.on(day) for week in weeks)
    if hours is None:
        return None
    window = Window(
        to_utc(datetime.combine(day, hours.opens), zone), to_utc(datetime.combine(day, hours.closes), zone)
    )
    # A day that a zone leaves out (Apia's December 30, 2011) would stand for the next.
    exists = window.start.astimezone(pinned_zone(zone)).date() == day
    return window if exists and window.start < window.end else None
