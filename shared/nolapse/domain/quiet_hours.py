"""When a text message may leave: hours of each day of the week, in the recipient's local time."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from nolapse.domain.calendar import Window, to_utc
from nolapse.domain.zones import pinned_zone

# Two runs of holidays and the Sundays around them.
LOOK_AHEAD_DAYS = 14


@dataclass(frozen=True, slots=True)
class Hours:
    """Local times: [opens, closes)."""

    opens: time
    closes: time


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


def _open_on(day: date, zone: str, weeks: Sequence[Week]) -> Window | None:
    hours = [week.on(day) for week in weeks]
    opens = max((each.opens for each in hours if each), default=time.min)
    closes = min((each.closes for each in hours if each), default=time.min)
    if None in hours or opens >= closes:
        return None
    window = Window(to_utc(datetime.combine(day, opens), zone), to_utc(datetime.combine(day, closes), zone))
    # A day that a zone leaves out (Apia's December 30, 2011) would stand for the next.
    exists = window.start.astimezone(pinned_zone(zone)).date() == day
    return window if exists and window.start < window.end else None
