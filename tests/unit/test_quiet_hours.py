"""When a text may leave: by every state's law, in every zone, across every change of the clock."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.quiet_hours import (
    LOOK_AHEAD_DAYS,
    OURS,
    Hours,
    Week,
    common,
    every_day,
    next_open,
    spoken,
)
from nolapse.domain.us_states import STATES
from nolapse.domain.zones import pinned_zone
from nolapse.storage.quiet_hours import read_hours, weeks_for

NEW_YORK, CHICAGO = "America/New_York", "America/Chicago"
STEP = timedelta(minutes=15)

zones = st.sampled_from(sorted(available_timezones() - {"localtime"}))
# Hypothesis wants the bounds without a zone.
instants = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
spans = st.tuples(st.integers(8, 14), st.integers(15, 21)).map(
    lambda pair: Hours(time(pair[0]), time(pair[1]))
)
weeks = st.lists(st.one_of(st.none(), spans), min_size=7, max_size=7).map(Week)


def is_open(instant: datetime, zone: str, laws: Sequence[Week]) -> bool:
    """By the clock on the wall alone: what a court would look at."""
    local = instant.astimezone(pinned_zone(zone))
    hours = [law.on(local.date()) for law in laws]
    return all(each is not None and each.opens <= local.time() < each.closes for each in hours)


@given(instant=instants, zone=zones, laws=st.lists(weeks, min_size=1, max_size=3))
def test_what_is_found_is_open_throughout_and_nothing_before_it_is(
    instant: datetime, zone: str, laws: list[Week]
) -> None:
    found = next_open(instant, zone, laws)

    until = found.start if found else instant + timedelta(days=LOOK_AHEAD_DAYS)
    if found:
        assert instant <= found.start < found.end
        inside = found.start
        while inside < found.end:
            assert is_open(inside, zone, laws)
            inside += STEP
        assert not is_open(found.end, zone, laws)
    before = instant
    while before < until:
        assert not is_open(before, zone, laws)
        before += STEP


@given(instant=instants, state=st.sampled_from([state for state in STATES if state.zone]))
def test_no_state_s_law_lets_a_text_out_before_eight_or_after_eight(instant: datetime, state: object) -> None:
    zone, code = state.zone, state.code  # type: ignore[attr-defined]
    found = next_open(instant, zone, weeks_for([code], OURS))
    assert found is not None
    assert is_open(found.start, zone, [every_day(OURS)])
    assert found.end.astimezone(pinned_zone(zone)).time() <= time(20)


def local(day: int, hour: int, minute: int = 0, zone: str = CHICAGO) -> datetime:
    """In November 2026, whose first day is a Sunday, on which summer time ends."""
    return datetime(2026, 11, day, hour, minute, tzinfo=pinned_zone(zone))


@pytest.mark.parametrize(
    ("states", "at", "opens", "closes"),
    [
        (["NY"], local(1, 7), local(1, 8), local(1, 20)),
        ([], local(1, 19, 59), local(1, 19, 59), local(1, 20)),
        (["NY"], local(1, 20), local(2, 8), local(2, 20)),
        # Sundays: Texas from noon, Alabama not at all.
        (["TX"], local(1, 9), local(1, 12), local(1, 20)),
        (["Texas"], local(2, 8), local(2, 9), local(2, 20)),
        (["AL"], local(1, 12), local(2, 8), local(2, 20)),
        # Veterans Day and Thanksgiving.
        (["alabama"], local(11, 8), local(12, 8), local(12, 20)),
        (["LA"], local(26, 8), local(27, 8), local(27, 20)),
        # All laws of whoever holds several licences, at once.
        (["TX", "RI"], local(7, 8), local(7, 10), local(7, 17)),
        (["KY", "RI", "Nowhere"], local(9, 8), local(9, 10), local(9, 18)),
        (["FL"], local(1, 21), local(2, 8), local(2, 20)),
    ],
)
def test_by_state(states: list[str], at: datetime, opens: datetime, closes: datetime) -> None:
    found = next_open(at, CHICAGO, weeks_for(states, OURS))
    assert found is not None
    assert (found.start, found.end) == (opens, closes)


def test_a_law_never_widens_our_own_hours() -> None:
    narrow = Hours(time(10), time(18))
    found = next_open(local(2, 7), CHICAGO, weeks_for(["TX"], narrow))
    assert found is not None
    assert (found.start, found.end) == (local(2, 10), local(2, 18))


def test_laws_that_leave_nothing_open() -> None:
    never = Week([None] * 7)
    apart = [every_day(Hours(time(8), time(10))), every_day(Hours(time(10), time(12)))]
    assert next_open(local(2, 8), CHICAGO, [never]) is None
    assert next_open(local(2, 8), CHICAGO, apart) is None


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([], "Mon-Sun 08:00-20:00"),
        (["AL"], "Mon-Sat 08:00-20:00"),
        (["TX"], "Mon-Sat 09:00-20:00, Sun 12:00-20:00"),
        (["RI"], "Mon-Fri 09:00-18:00, Sat 10:00-17:00"),
        (["RI", "KY"], "Mon-Fri 10:00-18:00, Sat 10:00-17:00"),
    ],
)
def test_hours_in_words(states: list[str], said: str) -> None:
    assert spoken(common(weeks_for(states, OURS))) == said


def test_a_closed_day_is_closed_in_the_zone_of_who_is_told() -> None:
    closed = Week([OURS] * 7, {date(2026, 11, 3)})
    late_on_monday = datetime(2026, 11, 3, 1, 30, tzinfo=UTC)
    assert next_open(late_on_monday, NEW_YORK, [closed]) == next_open(
        local(4, 8, zone=NEW_YORK), NEW_YORK, [every_day(OURS)]
    )


def test_every_law_says_where_it_stands() -> None:
    laws = weeks_for([state.code for state in STATES], OURS)
    assert len(laws) > 10


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[XX]\nsource = "s"\nconfidence = "text"\nevery_day = "08:00-20:00"', "no states: XX"),
        ('[NY]\nevery_day = "08:00-20:00"\nconfidence = "text"', "source"),
        ('[NY]\nevery_day = "08:00-20:00"\nsource = "s"', "confidence"),
        ('[NY]\nevery_day = "08:00-20:00"\nsource = "s"\nconfidence = "high"', "confidence"),
        ('[NY]\nsource = "s"\nconfidence = "text"\nsunday = "none"', "some days have no hours"),
        (
            '[NY]\nsource = "s"\nconfidence = "text"\nevery_day = "20:00-08:00"',
            "opens no earlier than it closes",
        ),
        ('[NY]\nsource = "s"\nconfidence = "text"\nevery_day = "mornings"', "are no hours"),
        ('[NY]\nsource = "s"\nconfidence = "text"\nevery_day = "08:00-20:00"\nmonday = "none"', "monday"),
    ],
)
def test_what_makes_no_sense_is_named(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_hours(text)
