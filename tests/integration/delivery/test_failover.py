"""Several providers and channels: the next at once where one is out of reach or refuses, and never two at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.faults import FaultQueue
from local.doubles.received import ReceivedEmail, ReceivedText
from nolapse.delivery.dispatch import dispatch
from nolapse.domain.routing import MOST_PROBES, RETRY_DELAYS
from nolapse.runtime.bootstrap import runtime
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import CLOSES, OPENS, Delivery, delivering

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Vendors:
    """SendGrid first, Mailgun in its place, SMS by Twilio."""

    delivery: Delivery
    mailgun: FaultQueue
    twilio: FaultQueue

    @property
    def sendgrid(self) -> FaultQueue:
        return self.delivery.faults

    @property
    def stood_in(self) -> list[ReceivedEmail]:
        return self.delivery.running.others["mailgun"].messages()  # type: ignore[return-value]

    @property
    def texts(self) -> list[ReceivedText]:
        return self.delivery.running.others["twilio"].messages()  # type: ignore[return-value]

    def due(self, people: int = 1, *, channels: Sequence[str] = ("EMAIL",), phone: str | None = None) -> None:
        self.delivery.told_by(*channels)
        self.delivery.due(people)
        self.delivery.register.execute("UPDATE clinicians SET phone = :phone", phone=phone)

    def attempts(self) -> list[tuple[Any, ...]]:
        return self.delivery.register.rows(
            "SELECT attempt_number, channel, provider, outcome FROM notification_outbox"
            " ORDER BY attempt_number, started_at, attempt_id"
        )

    def circuit(self) -> tuple[Any, ...]:
        return self.delivery.register.rows(
            "SELECT state, retry_at FROM provider_circuit WHERE provider = 'sendgrid'"
        )[0]

    def reached(self) -> int:
        """People who got something, each counted once: and nobody may be counted twice."""
        everybody = [mail.key for mail in (*self.delivery.mail, *self.stood_in)] + [
            text.body for text in self.texts
        ]
        assert len(everybody) == len(set(everybody))
        return len(everybody)


@pytest.fixture
def vendors(register: Register, tmp_path: Path) -> Iterator[Vendors]:
    mailgun, twilio = FaultQueue(), FaultQueue()
    with delivering(register, tmp_path / "mail.sqlite", mailgun=mailgun, twilio=twilio) as delivery:
        yield Vendors(delivery, mailgun, twilio)


class TestProvider:
    def test_one_out_of_reach_is_stood_in_for_at_once(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.sendgrid.inject(faults.answer(429))
        vendors.delivery.send(OPENS)

        assert vendors.attempts() == [
            (1, "EMAIL", "sendgrid", "RETRY_SAFE"), (2, "EMAIL", "mailgun", "ACCEPTED"),
        ]  # fmt: skip
        assert (vendors.reached(), vendors.delivery.statuses()) == (1, {"SENT": 1})
        assert vendors.stood_in[0].subject == "Your RN license expires in 30 days (November 25, 2026)"

    @pytest.mark.parametrize("fault", [faults.reset_after_accept, faults.answer(500), faults.reset_unread])
    def test_what_may_have_left_is_asked_about_before_anybody_else_is_tried(
        self, vendors: Vendors, fault: faults.Fault
    ) -> None:
        vendors.due()
        vendors.sendgrid.inject(fault)
        vendors.delivery.send(OPENS)
        assert (vendors.delivery.statuses(), vendors.stood_in) == ({"UNKNOWN": 1}, [])

        vendors.delivery.catch_up(OPENS + timedelta(minutes=30))
        vendors.delivery.send()

        assert (vendors.reached(), vendors.delivery.statuses()) == (1, {"SENT": 1})

    def test_with_all_out_of_reach_it_comes_again_and_again(self, vendors: Vendors) -> None:
        vendors.due()
        at = OPENS
        for delay in RETRY_DELAYS:
            vendors.sendgrid.inject(faults.answer(429))
            vendors.mailgun.inject(faults.answer(429))
            vendors.delivery.send(at)
            assert vendors.delivery.statuses() == {"PENDING": 1}
            at += delay * 1.2 + MINUTE
        vendors.delivery.send(at)

        assert vendors.delivery.statuses() == {"SENT": 1}
        assert [number for number, *_ in vendors.attempts()] == list(range(1, 8))

    def test_the_second_provider_spends_no_second_message_of_the_day(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.sendgrid.inject(faults.answer(429))
        vendors.delivery.scan(OPENS)
        made, batch = runtime(), vendors.delivery.opened(vendors.delivery.receive())
        rules = replace(made.dispatch_rules, per_person_day=1)

        dispatch(made.engine, made.outlets, made.sender, rules, batch=batch, now=OPENS)

        assert (len(vendors.stood_in), vendors.delivery.statuses()) == (1, {"SENT": 1})

    def test_a_dispatcher_killed_between_two_providers_leaves_nothing_open(self, vendors: Vendors) -> None:
        """The first answer and the second attempt are one commit: a kill in the second send is as one in the first."""
        vendors.due()
        vendors.sendgrid.inject(faults.answer(429))

        def killed(exchange: Any) -> None:
            exchange.process()
            raise ConnectionAbortedError

        vendors.mailgun.inject(killed)
        vendors.delivery.send(OPENS)
        assert vendors.attempts()[1] == (2, "EMAIL", "mailgun", "UNKNOWN")
        vendors.delivery.catch_up(OPENS + timedelta(minutes=30))
        assert (vendors.reached(), vendors.delivery.statuses()) == (1, {"SENT": 1})


class TestChannel:
    def test_a_refusal_goes_to_the_next_channel_at_once(self, vendors: Vendors) -> None:
        vendors.due(channels=("EMAIL", "SMS"), phone="+12125550123")
        vendors.sendgrid.inject(faults.answer(400))
        vendors.delivery.send(OPENS)

        assert vendors.attempts() == [
            (1, "EMAIL", "sendgrid", "REJECTED"), (2, "SMS", "twilio-sms", "ACCEPTED"),
        ]  # fmt: skip
        (text,) = vendors.texts
        assert text.to == "+12125550123"
        assert text.body == (
            "clinic: Your RN license expires in 30 days (November 25, 2026). http://127.0.0.1:8000/portal STOP to end"
        )

    def test_so_does_what_all_retries_did_not_bring_through(self, vendors: Vendors) -> None:
        vendors.due(channels=("EMAIL", "SMS"), phone="+12125550123")
        at = OPENS
        for delay in (*RETRY_DELAYS, timedelta()):
            vendors.sendgrid.inject(faults.answer(429))
            vendors.mailgun.inject(faults.answer(429))
            vendors.delivery.send(at)
            at += delay * 1.2 + MINUTE
        assert (len(vendors.texts), vendors.delivery.statuses()) == (1, {"SENT": 1})

    def test_so_does_what_a_vendor_would_pause_beyond_the_window(self, vendors: Vendors) -> None:
        vendors.due(channels=("EMAIL", "SMS"), phone="+12125550100")
        for queue in (vendors.sendgrid, vendors.mailgun):
            queue.inject(faults.answer(429, headers={"Retry-After": "86400"}))
        vendors.delivery.send(OPENS)

        assert (len(vendors.texts), vendors.delivery.statuses()) == (1, {"SENT": 1})

    @pytest.mark.parametrize("seconds", [1, 70])
    def test_and_what_could_wait_until_no_scan_would_find_it_in_time(
        self, vendors: Vendors, seconds: int
    ) -> None:
        vendors.due(channels=("EMAIL", "SMS"), phone="+12125550100")
        vendors.delivery.register.execute(
            "INSERT INTO provider_circuit (provider, state, failures, openings, retry_at, changed_at)"
            " SELECT provider, 'OPEN', 5, 5, :at, :now FROM unnest(ARRAY['sendgrid', 'mailgun']) AS provider",
            at=CLOSES - timedelta(seconds=seconds),
            now=OPENS,
        )
        vendors.delivery.send(OPENS)

        assert (len(vendors.texts), vendors.delivery.statuses()) == (1, {"SENT": 1})

    def test_who_has_no_number_is_told_through_the_other_channel(self, vendors: Vendors) -> None:
        vendors.due(channels=("SMS", "EMAIL"))
        vendors.delivery.send(OPENS)
        assert vendors.attempts() == [(1, "EMAIL", "sendgrid", "ACCEPTED")]

    def test_whom_no_channel_reaches_operators_see(self, vendors: Vendors) -> None:
        vendors.due(channels=("SMS",))
        vendors.delivery.send(OPENS)
        assert vendors.delivery.register.rows(
            "SELECT status, reason FROM notification_schedule WHERE event = 'SECONDARY'"
        ) == [("DEFERRED", "no channel reaches this person")]

    def test_no_text_wakes_anybody(self, vendors: Vendors) -> None:
        """A window of 06:00 to 12:00: by e-mail from six on, by SMS from eight."""
        vendors.delivery.register.execute("UPDATE policy_version SET opens = '06:00'")
        vendors.due(channels=("SMS",), phone="+12125550123")
        six = OPENS - timedelta(hours=2)
        vendors.delivery.send(six)
        assert (vendors.texts, vendors.delivery.statuses()) == ([], {"PENDING": 1})
        vendors.delivery.send(OPENS - MINUTE)
        assert vendors.texts == []
        vendors.delivery.send(OPENS)
        assert [text.received_at for text in vendors.texts] == [OPENS]


class TestCircuit:
    def trip(self, vendors: Vendors, people: int = 5) -> None:
        vendors.due(people)
        vendors.sendgrid.inject(*[faults.answer(503)] * people)
        vendors.delivery.send(OPENS)

    def test_it_opens_after_five_failures_and_diverts(self, vendors: Vendors) -> None:
        self.trip(vendors)
        assert vendors.circuit() == ("OPEN", OPENS + MINUTE)

        vendors.delivery.due(3, "another")
        vendors.delivery.send(OPENS + timedelta(seconds=30))

        assert [mail.to for mail in vendors.stood_in] != []
        assert len(vendors.stood_in) == 3
        assert len(vendors.delivery.mail) == 0

    def test_one_message_tries_it_and_closes_it(self, vendors: Vendors) -> None:
        self.trip(vendors)
        vendors.delivery.due(4, "another")
        vendors.delivery.send(OPENS + MINUTE)

        assert (len(vendors.delivery.mail), len(vendors.stood_in)) == (1, 3)
        assert vendors.circuit() == ("CLOSED", None)

    def test_a_trial_that_fails_opens_it_for_twice_as_long(self, vendors: Vendors) -> None:
        self.trip(vendors)
        vendors.delivery.due(2, "another")
        vendors.sendgrid.inject(faults.answer(429))
        vendors.delivery.send(OPENS + MINUTE)

        assert vendors.circuit() == ("OPEN", OPENS + 3 * MINUTE)
        assert len(vendors.stood_in) == 2

    def test_one_that_asks_for_a_pause_gets_it(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.sendgrid.inject(faults.answer(429, headers={"Retry-After": "300"}))
        vendors.delivery.send(OPENS)
        assert vendors.circuit() == ("OPEN", OPENS + timedelta(minutes=5))

    def test_waiting_for_it_spends_no_retry(self, delivery: Delivery) -> None:
        delivery.due(6)
        delivery.faults.inject(*[faults.answer(429, headers={"Retry-After": "600"})])
        delivery.send(OPENS)
        waiting = (
            "SELECT max(attempt_count), max(retry_count) FROM notification_schedule WHERE attempt_count = 0"
        )
        for minute in (1, 2, 3, 5, 8):
            delivery.send(OPENS + minute * MINUTE)
        if delivery.statuses()["PENDING"] > 1:
            assert delivery.register.rows(waiting) == [(0, 0)]
        for minute in (10, 12, 14):
            delivery.send(OPENS + minute * MINUTE)
        assert delivery.statuses() == {"SENT": 6}
        assert max(delivery.keys_sent().values()) == 1


class TestUnproven:
    def ask_in_vain(self, delivery: Delivery, at_least_once: str) -> None:
        delivery.due()
        delivery.register.execute(
            "UPDATE tenants SET at_least_once = CAST(:channels AS text[])", channels=at_least_once
        )
        delivery.faults.inject(faults.answer(500))
        delivery.send(OPENS)
        for number in range(1, MOST_PROBES + 1):
            delivery.faults.inject(faults.answer(503))
            delivery.catch_up(OPENS + number * timedelta(minutes=30))
        delivery.send()

    def test_a_human_decides(self, delivery: Delivery) -> None:
        self.ask_in_vain(delivery, "{SMS}")
        assert delivery.register.rows(
            "SELECT status, reason FROM notification_schedule WHERE event = 'SECONDARY'"
        ) == [("HELD", "asked 5 times in vain: sendgrid:503")]

    def test_an_answer_that_comes_after_all_settles_what_is_held(self, delivery: Delivery) -> None:
        self.ask_in_vain(delivery, "{SMS}")
        delivery.catch_up(OPENS + timedelta(hours=3))
        delivery.send()
        assert (delivery.statuses(), len(delivery.mail)) == ({"SENT": 1}, 1)

    def test_or_it_is_sent_again_where_the_tenant_would_rather_have_it_twice(
        self, delivery: Delivery
    ) -> None:
        self.ask_in_vain(delivery, "{EMAIL}")
        assert delivery.attempts() == [(1, "UNPROVEN", "sendgrid:503"), (2, "ACCEPTED", None)]
