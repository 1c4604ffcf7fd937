"""Which way a message goes next, for every outcome, every plan and every number of tries."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nolapse.domain.outcomes import Accepted, NotFound, Outcome, ProbeResult, Rejected, RetrySafe, Unknown
from nolapse.domain.routing import (
    JITTER,
    MOST_PROBES,
    RETRY_DELAYS,
    NoWay,
    Plan,
    Verdict,
    Wait,
    Way,
    judge,
    judge_probe,
)
from nolapse.domain.states import TRANSITIONS, Status

NOW = datetime(2026, 10, 26, 12, tzinfo=UTC)
SOON = NOW + timedelta(minutes=1)
CLOSES = NOW + timedelta(hours=4)
MAIL = ("EMAIL", ["graph", "sendgrid"])
SMS = ("SMS", ["twilio-sms"])
GRAPH, SENDGRID, TWILIO = Way(1, "EMAIL", "graph"), Way(1, "EMAIL", "sendgrid"), Way(2, "SMS", "twilio-sms")

codes = st.text(min_size=1, max_size=20)
outcomes = st.one_of(
    st.builds(Accepted, codes),
    st.builds(Rejected, codes),
    st.builds(RetrySafe, codes, st.none() | st.timedeltas(timedelta(), timedelta(hours=2))),
    st.builds(Unknown, codes, st.none() | codes),
)
answers = st.one_of(st.builds(Accepted, codes), st.builds(Unknown, codes), st.just(NotFound()))
times = st.sampled_from([NOW, NOW - timedelta(hours=1), SOON, None])


def plan(*channels: tuple[str, Sequence[str]], **ready: datetime | None) -> Plan:
    """All are ready but those named, by provider."""
    return Plan(channels, lambda _, provider: ready.get(provider.replace("-", "_"), NOW), NOW, CLOSES)


def verdict(outcome: Outcome, made: Plan, way: Way, retry_count: int = 0, late: bool = False) -> Verdict:
    return judge(outcome, made, way, retry_count=retry_count, late=late, jitter=0)


@given(
    outcome=outcomes,
    ready=st.fixed_dictionaries({"graph": times, "sendgrid": times, "twilio_sms": times}),
    way=st.sampled_from([GRAPH, SENDGRID, TWILIO]),
    retry_count=st.integers(0, 3),
    late=st.booleans(),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_every_verdict_is_a_legal_transition_that_the_schedule_can_hold(
    *,
    outcome: Outcome,
    ready: dict[str, datetime | None],
    way: Way,
    retry_count: int,
    late: bool,
    jitter: float,
) -> None:
    made = judge(outcome, plan(MAIL, SMS, **ready), way, retry_count=retry_count, late=late, jitter=jitter)
    # A dispatcher's own answer meets SENDING or, when it comes late, UNKNOWN.
    for status in {Status.SENDING, Status.UNKNOWN} - {made.status}:
        assert made.status in TRANSITIONS[status] or made.way
    waits = made.status in {Status.PENDING, Status.LATE_PENDING}
    assert (made.next_attempt_at is not None) == waits
    assert (made.reason is not None) == (made.status is Status.DEFERRED)
    assert (made.message_id is not None) == (made.outcome == "ACCEPTED")
    assert (made.way is not None) == (made.status is Status.SENDING)
    if waits:
        assert made.status is (Status.LATE_PENDING if late else Status.PENDING)
        assert made.next_attempt_at
        assert made.next_attempt_at > NOW
    if made.way:
        # Never back, and never to what is not ready: so a run of tries ends.
        assert (made.way.position, made.way.provider) != (way.position, way.provider)
        assert made.way.position >= way.position
        ready_at = ready[made.way.provider.replace("-", "_")]
        assert ready_at
        assert ready_at <= NOW
    assert 1 <= made.position <= 2


class TestOutOfReach:
    def test_the_next_provider_is_tried_at_once(self) -> None:
        made = verdict(RetrySafe("graph:503"), plan(MAIL, SMS), GRAPH)
        assert (made.status, made.way, made.retry_count) == (Status.SENDING, SENDGRID, 0)

    @pytest.mark.parametrize(("retry_count", "minutes"), [(0, 1), (1, 5), (2, 30)])
    def test_when_all_are_it_comes_again_after_one_five_and_thirty_minutes(
        self, retry_count: int, minutes: int
    ) -> None:
        made = verdict(RetrySafe("429"), plan(MAIL, SMS), SENDGRID, retry_count)
        assert (made.status, made.next_attempt_at, made.retry_count, made.position) == (
            Status.PENDING, NOW + timedelta(minutes=minutes), retry_count + 1, 1,
        )  # fmt: skip

    def test_then_by_the_next_channel(self) -> None:
        made = verdict(RetrySafe("429"), plan(MAIL, SMS), SENDGRID, retry_count=3)
        assert (made.way, made.position, made.retry_count) == (TWILIO, 2, 0)

    def test_and_when_there_is_none_operations_are_told_why(self) -> None:
        made = verdict(RetrySafe("refused"), plan(MAIL), SENDGRID, retry_count=3)
        assert (made.status, made.reason) == (Status.DEFERRED, "retries spent: refused")

    def test_a_pause_beyond_the_window_is_for_where_no_channel_is_better(self) -> None:
        too_long = RetrySafe("429", CLOSES - NOW)

        assert verdict(too_long, plan(MAIL, SMS), SENDGRID).way == TWILIO
        waiting = verdict(too_long, plan(MAIL, SMS, twilio_sms=SOON), SENDGRID)
        assert (waiting.position, waiting.next_attempt_at, waiting.retry_count) == (2, SOON, 0)
        for alone in (plan(MAIL), plan(MAIL, SMS, twilio_sms=None), plan(MAIL, SMS, twilio_sms=CLOSES)):
            made = verdict(too_long, alone, SENDGRID)
            assert (made.position, made.next_attempt_at, made.retry_count) == (1, CLOSES, 1)

    def test_a_circuit_that_is_open_is_passed_by(self) -> None:
        made = verdict(RetrySafe("graph:503"), plan(MAIL, sendgrid=SOON), GRAPH)
        assert (made.status, made.next_attempt_at) == (Status.PENDING, NOW + RETRY_DELAYS[0])

    @given(st.integers(0, 2), st.floats(0, 1, exclude_max=True))
    def test_jitter_only_ever_adds_and_at_most_a_fifth(self, retry_count: int, jitter: float) -> None:
        made = judge(
            RetrySafe("429"), plan(MAIL), SENDGRID, retry_count=retry_count, late=False, jitter=jitter
        )
        assert made.next_attempt_at is not None
        delay = RETRY_DELAYS[retry_count]
        assert delay <= made.next_attempt_at - NOW <= delay * (1 + JITTER)

    def test_a_provider_that_asks_for_more_time_gets_it(self) -> None:
        for asked, given_time in (
            (timedelta(hours=1), timedelta(hours=1)),
            (timedelta(seconds=1), timedelta(minutes=1)),
        ):
            made = verdict(RetrySafe("429", asked), plan(MAIL), SENDGRID)
            assert made.next_attempt_at == NOW + given_time


class TestRefused:
    def test_another_channel_is_tried_at_once_and_no_other_provider(self) -> None:
        made = verdict(Rejected("graph:400"), plan(MAIL, SMS), GRAPH)
        assert (made.outcome, made.status, made.way) == ("REJECTED", Status.SENDING, TWILIO)

    def test_it_waits_for_one_that_is_not_ready_yet(self) -> None:
        made = verdict(Rejected("graph:400"), plan(MAIL, SMS, twilio_sms=SOON), GRAPH)
        assert (made.status, made.next_attempt_at, made.position) == (Status.PENDING, SOON, 2)

    def test_it_is_final_where_none_is_left(self) -> None:
        for made in (
            verdict(Rejected("400"), plan(MAIL), GRAPH),
            verdict(Rejected("400"), plan(MAIL, SMS, twilio_sms=None), GRAPH),
            verdict(Rejected("400"), plan(MAIL, SMS), TWILIO),
        ):
            assert (made.outcome, made.status, made.reason) == ("REJECTED", Status.DEFERRED, "rejected: 400")


class TestFirst:
    def test_the_preferred_that_is_ready(self) -> None:
        assert plan(MAIL, SMS).first(1) == GRAPH
        assert plan(MAIL, SMS, graph=SOON).first(1) == SENDGRID
        assert plan(MAIL, SMS).first(2) == TWILIO

    def test_a_channel_is_waited_for_and_not_left(self) -> None:
        assert plan(MAIL, SMS, graph=SOON, sendgrid=SOON + timedelta(hours=1)).first(1) == Wait(1, SOON)

    def test_one_that_never_will_be_is_passed_by(self) -> None:
        assert plan(("SMS", ["twilio-sms"]), MAIL, twilio_sms=None).first(1) == Way(2, "EMAIL", "graph")
        assert plan(SMS, twilio_sms=None).first(1) == NoWay()
        assert plan(("WHATSAPP", [])).first(1) == NoWay()


def test_what_may_have_left_is_never_simply_tried_again() -> None:
    made = verdict(Unknown("read timeout", "draft-1"), plan(MAIL, SMS), GRAPH, retry_count=2)
    assert (made.status, made.code, made.handle) == (Status.UNKNOWN, "read timeout", "draft-1")
    assert (made.way, made.next_attempt_at, made.retry_count) == (None, None, 2)


class TestProbed:
    def probed(
        self, answer: ProbeResult, probes: int = 1, again: bool = False, late: bool = False
    ) -> Verdict:
        return judge_probe(
            answer, position=1, retry_count=2, late=late, probes=probes, again=again, broke=None, channels=2, now=NOW
        )  # fmt: skip

    @given(answers, st.integers(1, 9), st.booleans(), st.booleans())
    def test_every_verdict_is_legal(self, answer: ProbeResult, probes: int, again: bool, late: bool) -> None:
        made = self.probed(answer, probes, again, late)
        assert made.status is Status.UNKNOWN or made.status in TRANSITIONS[Status.UNKNOWN]
        assert (made.reason is not None) == (made.status is Status.HELD)

    def test_found_and_not_found(self) -> None:
        assert self.probed(Accepted("m-1")).status is Status.SENT
        made = self.probed(NotFound(), late=True)
        assert (made.outcome, made.status, made.next_attempt_at) == ("NOT_FOUND", Status.LATE_PENDING, NOW)

    @pytest.mark.parametrize(
        ("retry_count", "position", "then"),
        [
            (2, 1, (Status.PENDING, 1, 3)),
            (3, 1, (Status.PENDING, 2, 0)),
            (2, 2, (Status.PENDING, 2, 3)),
            (3, 2, (Status.DEFERRED, 2, 3)),
        ],
    )
    def test_what_breaks_an_sdk_again_and_again_comes_to_an_end(
        self, retry_count: int, position: int, then: tuple[Status, int, int]
    ) -> None:
        made = judge_probe(
            NotFound(), position=position, retry_count=retry_count, late=False, probes=1, again=False,
            broke="x:broke:KeyError", channels=2, now=NOW,
        )  # fmt: skip
        assert (made.status, made.position, made.retry_count) == then
        assert (made.reason == "retries spent: x:broke:KeyError") == (made.status is Status.DEFERRED)

    def test_it_is_asked_several_times_then_a_human_or_the_tenant_s_policy_decides(self) -> None:
        assert self.probed(Unknown("x"), MOST_PROBES - 1).status is Status.UNKNOWN
        held = self.probed(Unknown("x"), MOST_PROBES)
        assert (held.outcome, held.status, held.reason) == (
            "UNKNOWN",
            Status.HELD,
            "asked 5 times in vain: x",
        )
        again = self.probed(Unknown("x"), MOST_PROBES, again=True)
        assert (again.outcome, again.status, again.next_attempt_at) == ("UNPROVEN", Status.PENDING, NOW)
