"""Weekends and public holidays of the calendars that policies name, by PyPI's `holidays`."""

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, text

from nolapse.storage.statements import statement

SATURDAY = 5
YEARS_BEHIND, YEARS_AHEAD = 1, 3

# A retired version comes back only by a rollback, which fills its calendar again.
NAMED = text(
    "SELECT DISTINCT holidays FROM policy_version WHERE status <> 'RETIRED' AND holidays IS NOT NULL"
)


class UnknownCalendar(ValueError):
    def __init__(self, calendar: str) -> None:
        super().__init__(
            f"{calendar!r} is no calendar with weekends on Saturday and Sunday: "
            "name a country or a state of ISO 3166, such as US or US-CA"
        )
        self.calendar = calendar


def public_holidays(calendar: str) -> Collection[date]:
    """The holidays of a country ('US') or of a part of it ('US-CA'), of whatever year is asked for."""
    import holidays  # noqa: PLC0415  300 ms that only maintenance and changes of policies pay

    country, _, part = calendar.partition("-")
    try:
        known = holidays.country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        raise UnknownCalendar(calendar) from None
    if known.weekend != {SATURDAY, SATURDAY + 1}:
        raise UnknownCalendar(calendar)
    return known


def fill_days_off(connection: Connection, now: datetime) -> int:
    """Bring day_off up to the library for the years around `now`; returns the number of days that changed."""
    first, last = date(now.year - YEARS_BEHIND, 1, 1), date(now.year + YEARS_AHEAD, 12, 31)
    rows = [
        (calendar, *day)
        for calendar in sorted(connection.scalars(NAMED))
        for day in _days_off(public_holidays(calendar), first, last)
    ]
    if not rows:
        return 0
    calendars, days, befores, afters = (list(column) for column in zip(*rows, strict=True))
    changed: int = connection.scalar(
        statement("policy_replace_days_off"),
        {
            "calendars": calendars, "days": days, "befores": befores, "afters": afters,
            "first": first, "last": last,
        },
    )  # fmt: skip
    return changed


def _days_off(holidays: Collection[date], first: date, last: date) -> Iterator[tuple[date, date, date]]:
    """Each day off with the nearest working day before and after it."""

    def working(day: date, direction: timedelta) -> date:
        while day.weekday() >= SATURDAY or day in holidays:
            day += direction
        return day

    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        before = working(day, timedelta(days=-1))
        if before != day:
            yield day, before, working(day, timedelta(days=1))
