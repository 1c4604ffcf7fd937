"""Earliest deadline first in slots, against a minute-by-minute simulation and against Hall's condition."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.feasibility import (
    MAILBOX_PER_MINUTE,
    Day,
    Demand,
    Misfit,
    misfits,
    outlook,
    rate_needed,
)

START = datetime(2027, 1, 31, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MINUTES = [START + number * MINUTE for number in range(120)]
FOUR_HOURS = timedelta(hours=4)


@st.composite
def windows(draw: st.DrawFn) -> Demand:
    """Half of them off the minute, some shorter than one, some begun and over in the same."""
    opens = START + draw(st.integers(0, 80)) * timedelta(seconds=30)
    length = draw(st.integers(1, 60)) * timedelta(seconds=30)
    return Demand(opens, opens + length, draw(st.integers(1, 40)))


def late_by_the_minute(demands: list[Demand], per_minute: int) -> list[int]:
    """Straight from the definition: at each whole minute the most urgent of what is open leaves."""
    left = [demand.messages for demand in demands]
    last_minutes = [next(m for m in MINUTES if m + MINUTE >= demand.closes) for demand in demands]
    by_urgency = sorted(range(len(demands)), key=lambda index: (last_minutes[index], index))
    for minute in MINUTES:
        room = per_minute
        for index in by_urgency:
            if demands[index].opens <= minute < demands[index].closes:
                sent = min(room, left[index])
                left[index] -= sent
                room -= sent
    return left


@given(demands=st.lists(windows(), max_size=12), per_minute=st.integers(0, 8))
def test_what_is_late_equals_a_simulation_minute_by_minute(demands: list[Demand], per_minute: int) -> None:
    demands.sort(key=lambda demand: (demand.opens, demand.closes))

    found = misfits(demands, per_minute)

    left = late_by_the_minute(demands, per_minute)
    assert found == [Misfit(d, late) for d, late in zip(demands, left, strict=True) if late]


@given(demands=st.lists(windows(), max_size=10), per_minute=st.integers(1, 8))
def test_everything_fits_exactly_if_no_stretch_of_time_is_asked_for_too_much(
    demands: list[Demand], per_minute: int
) -> None:
    def overloaded(opens: datetime, closes: datetime) -> bool:
        inside = [d for d in demands if opens <= d.opens and d.closes <= closes]
        slots = per_minute * sum(opens <= minute < closes for minute in MINUTES)
        return sum(demand.messages for demand in inside) > slots

    openings, closings = {d.opens for d in demands}, {d.closes for d in demands}
    assert bool(misfits(demands, per_minute)) == any(
        overloaded(opens, closes) for opens in openings for closes in closings if opens < closes
    )


@given(demands=st.lists(windows(), max_size=8))
def test_the_rate_needed_is_the_smallest_that_fits(demands: list[Demand]) -> None:
    rate = rate_needed(demands)

    hopeless = misfits(demands, 10_000)
    assert misfits(demands, rate) == hopeless
    assert rate == 0 or misfits(demands, rate - 1) != hopeless


def test_one_mailbox_fills_a_four_hour_window_with_7200() -> None:
    assert misfits([Demand(START, START + FOUR_HOURS, 7_200)], MAILBOX_PER_MINUTE) == []
    too_much = Demand(START, START + FOUR_HOURS, 7_201)
    assert misfits([too_much], MAILBOX_PER_MINUTE) == [Misfit(too_much, 1)]


def test_a_window_that_closes_first_is_served_first() -> None:
    long = Demand(START, START + 10 * MINUTE, 10)
    short = Demand(START + 5 * MINUTE, START + 7 * MINUTE, 2)
    assert misfits([long, short], 1) == [Misfit(long, 2)]


def test_days_are_those_on_which_windows_open_and_carry_what_their_windows_last() -> None:
    east = Demand(START, START + FOUR_HOURS, 100)
    west = Demand(START + timedelta(hours=3), START + timedelta(hours=7), 50)
    tomorrow = Demand(START + timedelta(days=1), START + timedelta(days=1, minutes=10), 11)

    seen = outlook([tomorrow, west, east], 1)

    assert seen.days == [
        Day(date(2027, 1, 31), messages=150, late=0, capacity=7 * 60),
        Day(date(2027, 2, 1), messages=11, late=1, capacity=10),
    ]
    assert (seen.messages, seen.late) == (161, 1)
    assert seen.misfits == [Misfit(tomorrow, 1)]


def test_a_channel_without_senders_carries_nothing() -> None:
    demand = Demand(START, START + FOUR_HOURS, 3)
    assert misfits([demand], 0) == [Misfit(demand, 3)]


def test_nothing_needs_no_senders() -> None:
    assert outlook([], 30).messages == 0
    assert rate_needed([]) == 0
