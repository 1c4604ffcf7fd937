"""Calendar arithmetic in plain Python: windows, keys and quiet hours, over all zones and their clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.calendar import (
    Occasion,
    Person,
    Policy,
    Step,
    expected_notifications,
    idempotency_key,
    next_allowed,
    window_on,
    yearly_date,
)
from nolapse.domain.windows import Window, to_utc
from nolapse.domain.zones import pinned_zone, zone_names
from nolapse.storage.zones import zone_periods

PERSON = UUID("0190a1b2-c3d4-7e5f-8a6b-000000000001")
LICENSE = UUID("0190a1b2-c3d4-7e5f-8a6b-000000000002")
QUIET_FROM, QUIET_UNTIL = time(20), time(8)
MINUTE = timedelta(minutes=1)

zones = st.sampled_from(sorted(zone_names()))
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
loud_hours = st.tuples(times, times).map(sorted).filter(lambda pair: pair[0] < pair[1])


@cache
def changes(zone: str) -> list[datetime]:
    """The local times at which the zone's offset changes, in the years that licences have."""
    return [p.local_from for p in zone_periods(zone) if 1970 <= p.local_from.year < 2100]


@st.composite
def zones_and_days(draw: st.DrawFn) -> tuple[str, date]:
    """A zone and a local day: half of them within a day of a change of its clocks."""
    zone = draw(zones)
    near_a_change: bool = draw(st.booleans())
    if near_a_change and changes(zone):
        near: datetime = draw(st.sampled_from(changes(zone)))
        return zone, near.date() + timedelta(days=draw(st.integers(-1, 1)))
    return zone, draw(st.dates(date(1970, 1, 1), date(2099, 12, 31)))


@given(zones_and_days(), loud_hours)
def test_a_window_begins_before_it_ends(where: tuple[str, date], hours: list[time]) -> None:
    zone, day = where
    opens, closes = hours
    window = window_on(day, Policy((), opens, closes), zone)
    nominal = datetime.combine(day, closes) - datetime.combine(day, opens)
    assert window.start < window.end
    assert window.start == to_utc(datetime.combine(day, opens), zone)
    # Shorter than its clock says only where clocks go forward within it, longer only where they go back.
    if not any(datetime.combine(day, opens) < at <= datetime.combine(day, closes) for at in changes(zone)):
        assert window.end - window.start == nominal


@given(zones_and_days(), times)
def test_a_local_time_maps_to_an_instant_that_shows_it(where: tuple[str, date], at: time) -> None:
    zone, day = where
    local = datetime.combine(day, at)
    instant = to_utc(local, zone)
    shown = instant.astimezone(pinned_zone(zone))
    if shown.replace(tzinfo=None) == local:
        assert shown.fold == 0
    else:
        # In a gap the offset before it holds, so the clock shows a time as far behind the gap as `local` is in it.
        before = (instant - timedelta(days=1)).astimezone(pinned_zone(zone))
        assert shown.replace(tzinfo=None) > local
        assert instant == (local - (before.utcoffset() or timedelta())).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "opens", "closes", "start", "end"),
    [
        # 02:30 does not exist and is read as 03:30, past the end at 03:15: the nominal 45 minutes hold.
        (date(2026, 3, 8), time(2, 30), time(3, 15), datetime(2026, 3, 8, 7, 30), datetime(2026, 3, 8, 8, 15)),  # noqa: DTZ001
        # 02:00 is read as 03:00, which is the end itself.
        (date(2026, 3, 8), time(2), time(3), datetime(2026, 3, 8, 7), datetime(2026, 3, 8, 8)),  # noqa: DTZ001
        # 01:00 to 02:00 on the day it is lived twice: from the first 01:00 to the only 02:00.
        (date(2026, 11, 1), time(1), time(2), datetime(2026, 11, 1, 5), datetime(2026, 11, 1, 7)),  # noqa: DTZ001
        # The longest window on the longest day.
        (date(2026, 11, 1), time(0), time(23, 59), datetime(2026, 11, 1, 4), datetime(2026, 11, 2, 4, 59)),  # noqa: DTZ001
    ],
)  # fmt: skip
def test_windows_across_new_york_s_changes_of_clocks(
    day: date, opens: time, closes: time, start: datetime, end: datetime
) -> None:
    window = window_on(day, Policy((), opens, closes), "America/New_York")
    assert window == Window(start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = window_on(date(2026, 6, 1), Policy(()), "UTC")
    assert window.start in window
    assert window.end not in window
    assert window.end - timedelta(microseconds=1) in window


def test_a_key_is_the_same_on_every_machine_and_in_every_version() -> None:
    # The golden vector: the database holds keys made by this rule, so the rule can never change.
    key = idempotency_key(PERSON, LICENSE, "primary", datetime(2026, 4, 1, 12, tzinfo=UTC))
    assert key.hex() == "d1075461ce16224e8fa7a03a36791b6e00204b7b4e77bb5c07b3f30fdfbff1da"


def test_what_a_licence_calls_for_before_the_horizon() -> None:
    steps = (
        Step("PRIMARY", -90, "primary"),
        Step("SECONDARY", -30, "secondary"),
        Step("PAST_DUE", 7, "past_due"),
    )
    expected = list(
        expected_notifications(
            Occasion(LICENSE, date(2028, 2, 29), Person(PERSON, "America/Phoenix")),
            Policy(steps),
            since=datetime(2028, 1, 1, tzinfo=UTC),
            until=datetime(2028, 1, 30, 15, 0, 1, tzinfo=UTC),
        )
    )
    assert [(e.event, e.template, e.occasion_date, e.window.start) for e in expected] == [
        ("PRIMARY", "primary", date(2028, 2, 29), datetime(2027, 12, 1, 15, tzinfo=UTC)),
        ("SECONDARY", "secondary", date(2028, 2, 29), datetime(2028, 1, 30, 15, tzinfo=UTC)),
    ]
    assert expected[0].idempotency_key != expected[1].idempotency_key


@given(zones_and_days(), times)
def test_what_is_late_leaves_at_the_first_minute_that_is_not_quiet(where: tuple[str, date], at: time) -> None:
    zone, day = where
    instant = datetime.combine(day, at, UTC)
    window = next_allowed(instant, zone, QUIET_FROM, QUIET_UNTIL)
    assert instant <= window.start < window.end
    assert is_loud(window.start, zone)
    assert is_loud(window.end - MINUTE, zone)
    # Minimal: every minute before it is quiet, unless there is none.
    waited = instant
    while waited < window.start:
        assert not is_loud(waited, zone), (waited, window)
        waited += MINUTE


def is_loud(instant: datetime, zone: str) -> bool:
    return QUIET_UNTIL <= instant.astimezone(pinned_zone(zone)).time() < QUIET_FROM


@given(st.integers(1900, 2090), st.integers(1, 140), st.sampled_from(["FEB_28", "MAR_1"]))
def test_a_date_of_feb_29_comes_every_year_where_the_policy_says(
    year: int, later: int, leap_day: str
) -> None:
    leap_year = year - year % 4 + (4 if (year - year % 4) % 100 == 0 and (year - year % 4) % 400 else 0)
    born = date(leap_year, 2, 29)
    assert yearly_date(born, born.year, leap_day) == born
    in_year = born.year + later
    common = date(in_year, 3, 1) - date(in_year, 2, 1) == timedelta(days=28)
    expected = (date(in_year, 3, 1) if leap_day == "MAR_1" else date(in_year, 2, 28)) if common else None
    assert yearly_date(born, in_year, leap_day) == (expected or date(in_year, 2, 29))


def test_a_birthday_is_owed_from_the_year_after_its_own_and_never_last_year_s() -> None:
    birthday = Occasion(LICENSE, date(2024, 2, 29), Person(PERSON, "America/Phoenix"), yearly=True)
    policy = Policy([Step("BIRTHDAY", 0, "birthday")], time(9), time(12))

    def days(since: datetime, until: datetime) -> list[tuple[str, date]]:
        expected = expected_notifications(birthday, policy, since=since, until=until)
        return [(one.occurrence, one.occasion_date) for one in expected]

    assert days(datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)) == [
        ("2025", date(2025, 2, 28))
    ]
    assert days(datetime(2027, 3, 1, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)) == [
        ("2028", date(2028, 2, 29))
    ]


def test_a_step_that_falls_into_another_year_than_its_date_is_not_forgotten() -> None:
    birthday = Occasion(LICENSE, date(1980, 12, 30), Person(PERSON, "America/Phoenix"), yearly=True)
    policy = Policy([Step("THANKS", 7, "birthday"), Step("PLAN", -350, "anniversary")])
    expected = expected_notifications(
        birthday, policy, since=datetime(2027, 1, 3, tzinfo=UTC), until=datetime(2027, 2, 1, tzinfo=UTC)
    )
    assert [(one.event, one.occurrence) for one in expected] == [("THANKS", "2026"), ("PLAN", "2027")]


def test_a_supervisor_is_told_in_their_own_zone_where_there_is_one() -> None:
    steps = [Step("ESCALATION", 1, "escalation", ("HOLDER", "SUPERVISOR"))]
    holder, boss = Person(PERSON, "America/Phoenix"), Person(LICENSE, "Asia/Tokyo")
    since, until = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)

    def told(supervisor: Person | None) -> list[tuple[Person, int]]:
        occasion = Occasion(LICENSE, date(2027, 6, 1), holder, supervisor)
        expected = expected_notifications(occasion, Policy(steps), since=since, until=until)
        return [(one.recipient, one.window.start.hour) for one in expected]

    assert told(None) == [(holder, 15)]
    assert told(boss) == [(holder, 15), (boss, 23)]
