"""What follows from an attempt's outcome, for every outcome and every number of tries."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.outcomes import Accepted, NotFound, Outcome, Rejected, RetrySafe, Unknown
from nolapse.domain.retries import JITTER, RETRY_DELAYS, Verdict, judge
from nolapse.domain.states import TRANSITIONS, Status

NOW = datetime(2026, 10, 26, 12, tzinfo=UTC)

codes = st.text(min_size=1, max_size=20)
outcomes = st.one_of(
    st.builds(Accepted, codes),
    st.builds(Rejected, codes),
    st.builds(RetrySafe, codes, st.none() | st.timedeltas(timedelta(), timedelta(hours=2))),
    st.builds(Unknown, codes),
    st.just(NotFound()),
)
jitters = st.floats(0, 1, exclude_max=True)


def verdict(outcome: Outcome | NotFound, attempt_number: int = 1, late: bool = False) -> Verdict:
    return judge(outcome, attempt_number=attempt_number, late=late, now=NOW, jitter=0)


@given(outcomes, st.integers(1, 9), st.booleans(), jitters)
def test_every_verdict_is_a_legal_transition_that_the_schedule_can_hold(
    outcome: Outcome | NotFound, attempt_number: int, late: bool, jitter: float
) -> None:
    made = judge(outcome, attempt_number=attempt_number, late=late, now=NOW, jitter=jitter)
    # A probe's verdict meets UNKNOWN, a dispatcher's own answer SENDING or, when it comes late, UNKNOWN.
    reached_from = {Status.UNKNOWN} if isinstance(outcome, NotFound) else {Status.SENDING, Status.UNKNOWN}
    for status in reached_from - {made.status}:
        assert made.status in TRANSITIONS[status]
    waits = made.status in {Status.PENDING, Status.LATE_PENDING}
    assert (made.next_attempt_at is not None) == waits
    assert (made.reason is not None) == (made.status is Status.DEFERRED)
    assert (made.message_id is not None) == (made.outcome == "ACCEPTED")
    if waits:
        assert made.status is (Status.LATE_PENDING if late else Status.PENDING)


@pytest.mark.parametrize(("attempt_number", "minutes"), [(1, 1), (2, 5), (3, 30)])
def test_a_safe_retry_comes_after_one_five_and_thirty_minutes(attempt_number: int, minutes: int) -> None:
    made = verdict(RetrySafe("429"), attempt_number)
    assert (made.status, made.next_attempt_at) == (Status.PENDING, NOW + timedelta(minutes=minutes))


@given(st.integers(1, len(RETRY_DELAYS)), jitters)
def test_jitter_only_ever_adds_and_at_most_a_fifth(attempt_number: int, jitter: float) -> None:
    made = judge(RetrySafe("429"), attempt_number=attempt_number, late=False, now=NOW, jitter=jitter)
    assert made.next_attempt_at is not None
    delay = RETRY_DELAYS[attempt_number - 1]
    assert delay <= made.next_attempt_at - NOW <= delay * (1 + JITTER)


def test_a_provider_that_asks_for_more_time_gets_it() -> None:
    assert verdict(RetrySafe("429", timedelta(hours=1))).next_attempt_at == NOW + timedelta(hours=1)
    assert verdict(RetrySafe("429", timedelta(seconds=1))).next_attempt_at == NOW + timedelta(minutes=1)


def test_when_every_retry_is_spent_operations_are_told_why() -> None:
    made = verdict(RetrySafe("connection refused"), attempt_number=4)
    assert (made.status, made.reason) == (Status.DEFERRED, "retries spent: connection refused")


def test_a_refusal_is_final() -> None:
    made = verdict(Rejected("400"))
    assert (made.outcome, made.status, made.reason) == ("REJECTED", Status.DEFERRED, "rejected: 400")


def test_what_may_have_left_is_never_simply_tried_again() -> None:
    made = verdict(Unknown("read timeout"))
    assert (made.status, made.code, made.next_attempt_at) == (Status.UNKNOWN, "read timeout", None)


def test_what_a_probe_did_not_find_goes_out_at_once() -> None:
    assert verdict(NotFound(), late=True) == Verdict(
        "NOT_FOUND", None, None, Status.LATE_PENDING, next_attempt_at=NOW
    )
