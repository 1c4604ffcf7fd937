"""From the queue to the provider: what is sent, what follows from each answer, and that nothing goes twice."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import boto3
import pytest

from local.doubles import faults
from local.doubles.server import Exchange, Fault
from nolapse.delivery.catch_up import catch_up
from nolapse.delivery.dispatch import dispatch
from nolapse.delivery.outlets import Outlets
from nolapse.domain.messages import Sought
from nolapse.domain.outcomes import Outcome, ProbeResult
from nolapse.domain.routing import JITTER, RETRY_DELAYS
from nolapse.domain.seals import KeyRing
from nolapse.providers.protocol import Provider
from nolapse.runtime.bootstrap import runtime
from nolapse.storage.engine import Credentials, create_engine
from nolapse.storage.statements import statement
from tests.integration.conftest import NOW
from tests.integration.delivery.conftest import CLOSES, EXPIRES, OPENS, TO_BOB, Delivery

SETTLED_BY = timedelta(minutes=10)
NIGHT = OPENS + timedelta(hours=12)


def event(messages: list[Any]) -> dict[str, Any]:
    return {"Records": [{"messageId": m["MessageId"], "body": m["Body"]} for m in messages]}


def invoke(delivery: Delivery, messages: list[Any]) -> Any:
    return delivery.running.functions.invoke("DispatchEmailFunction", event(messages))


class TestSent:
    def test_the_message_and_what_is_kept_of_it(self, delivery: Delivery) -> None:
        delivery.due()

        delivery.send(OPENS)

        (email,) = delivery.mail
        assert (email.to, email.sender) == ("ada1@clinic.test", "reminders@nolapse.test")
        assert "30 days" in email.text
        assert "RN-1" not in email.html + email.text + email.subject
        assert delivery.statuses() == {"SENT": 1}
        assert delivery.register.rows(
            "SELECT encode(idempotency_key, 'hex'), attempt_id::text, attempt_number, recipient, template, outcome,"
            " provider, provider_message_id, finished_at FROM notification_outbox"
        ) == [
            (
                email.key, email.attempt_id, 1, email.to, "secondary", "ACCEPTED", "sendgrid", email.message_id,
                OPENS,
            )
        ]  # fmt: skip
        assert delivery.bodies() == []

    def test_a_clinician_without_address_is_told_through_the_clinic(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.register.execute("UPDATE clinicians SET email = NULL")

        delivery.send(OPENS)

        assert [email.to for email in delivery.mail] == ["desk@clinic.test"]

    def test_every_transition_is_audited(self, delivery: Delivery) -> None:
        delivery.due()

        delivery.send(OPENS)

        assert delivery.register.rows(
            "SELECT actor, from_status, to_status FROM audit_log"
            " WHERE action = 'notification.transition' ORDER BY seq"
        ) == [
            ("scan", "PENDING", "QUEUED"),
            ("dispatch", "QUEUED", "SENDING"),
            ("dispatch", "SENDING", "SENT"),
        ]


class TestEndedOnItsWay:
    """What lay in the queue, or had to be tried again, as its person left or its licence was renewed."""

    @pytest.mark.parametrize(
        ("edit", "reason"),
        [
            ("UPDATE clinicians SET status = 'LEFT'", "person left"),
            ("UPDATE licenses SET status = 'ENDED'", "licence ended"),
            ("UPDATE licenses SET expires_on = expires_on + 730", "date moved"),
        ],
    )
    def test_it_is_not_sent_and_waits_for_nothing(self, delivery: Delivery, edit: str, reason: str) -> None:
        delivery.due()
        delivery.invoke("ReconcileFunction", NOW)
        delivery.scan(OPENS)
        delivery.register.execute(edit)
        delivery.register.plan(OPENS)

        delivery.dispatch()

        assert delivery.mail == []
        assert delivery.register.rows(
            "SELECT status, reason FROM notification_schedule WHERE event = 'SECONDARY' AND occasion_date = :expires",
            expires=EXPIRES,
        ) == [("CANCELLED", reason)]
        assert delivery.invoke("ReconcileFunction", NIGHT)["drift"] == 0

    def test_whom_it_is_about_no_more_is_not_told_of_it(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.invoke("ReconcileFunction", NOW)
        delivery.scan(OPENS)
        delivery.register.execute(TO_BOB)
        delivery.register.plan(OPENS)

        delivery.dispatch()
        delivery.send(OPENS + timedelta(minutes=1))

        assert [mail.to for mail in delivery.mail] == ["bob@clinic.test"]
        assert delivery.register.rows(
            "SELECT reason FROM notification_schedule WHERE event = 'SECONDARY' AND status = 'CANCELLED'"
        ) == [("recipient changed",)]
        assert delivery.invoke("ReconcileFunction", NIGHT)["drift"] == 0

    def test_nor_is_who_leads_them_no_more(self, delivery: Delivery) -> None:
        tenant = delivery.due()
        grace, mary = (
            delivery.register.clinician(tenant, name, email=f"{name}@clinic.test")
            for name in ("grace", "mary")
        )
        leads = "UPDATE clinicians SET supervisor_id = :leader WHERE clinician_id NOT IN (:grace, :mary)"
        delivery.register.execute(leads, leader=grace, grace=grace, mary=mary)
        delivery.register.execute(
            "UPDATE policy_version SET steps = CAST(replace(CAST(steps AS text), '[\"HOLDER\"]',"
            ' \'["HOLDER", "SUPERVISOR"]\') AS jsonb)'
        )
        delivery.register.plan(OPENS)
        delivery.scan(OPENS)
        delivery.register.execute(leads, leader=mary, grace=grace, mary=mary)

        delivery.dispatch()

        assert [mail.to for mail in delivery.mail] == ["ada1@clinic.test"]
        assert Counter(delivery.statuses()) == {"SENT": 1, "CANCELLED": 1}

    def test_what_could_not_leave_before_is_not_tried_again(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.faults.inject(faults.answer(429))
        delivery.send(OPENS)
        delivery.register.execute("UPDATE clinicians SET status = 'LEFT'")

        delivery.send(OPENS + timedelta(minutes=10))

        assert delivery.mail == []
        assert delivery.statuses() == {"CANCELLED": 1}

    def test_who_is_being_planned_just_now_is_looked_at_again(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.scan(OPENS)
        delivery.register.execute("UPDATE clinicians SET status = 'LEFT'")
        with delivery.register.database.engine.connect() as planning:
            planning.execute(statement("lock_planning"), {"tenant_id": None, "clinician_ids": None})
            delivery.dispatch()
            assert delivery.statuses() == {"PENDING": 1}

        delivery.send(OPENS + timedelta(minutes=1))

        assert delivery.mail == []
        assert delivery.statuses() == {"CANCELLED": 1}


class TestOnce:
    def test_a_message_that_comes_twice(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.scan(OPENS)
        messages = delivery.receive()

        for _ in range(2):
            assert invoke(delivery, messages) == {"batchItemFailures": []}

        assert len(delivery.mail) == 1

    def test_a_message_that_is_twice_in_one_batch(self, delivery: Delivery) -> None:
        delivery.due(2)
        delivery.scan(OPENS)
        messages = delivery.receive()

        invoke(delivery, messages * 2)

        assert delivery.keys_sent().most_common(1)[0][1] == 1
        assert len(delivery.mail) == 2

    def test_dispatchers_at_once(self, delivery: Delivery) -> None:
        delivery.due(10)
        delivery.scan(OPENS)
        messages = delivery.receive()
        ready = Barrier(4)

        def send(_: int) -> Any:
            ready.wait()
            return invoke(delivery, messages)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, range(4)))

        assert sorted(delivery.keys_sent().values()) == [1] * 10
        assert delivery.statuses() == {"SENT": 10}

    def test_a_message_that_was_claimed_anew(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.scan(OPENS)
        old = delivery.receive()
        delivery.catch_up(OPENS + timedelta(minutes=20))
        delivery.scan()
        new = delivery.receive()

        invoke(delivery, old)
        invoke(delivery, new)

        assert len(delivery.mail) == 1

    def test_what_was_cancelled_while_it_lay_in_the_queue(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.scan(OPENS)
        messages = delivery.receive()
        delivery.catch_up(OPENS + timedelta(minutes=20))
        delivery.register.execute("UPDATE licenses SET status = 'ENDED'")
        delivery.register.plan(delivery.clock.now())

        invoke(delivery, messages)

        assert delivery.mail == []
        assert delivery.statuses() == {"CANCELLED": 1}


class TestWindow:
    def test_one_that_closed_meanwhile_is_not_sent_and_becomes_late(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.scan(CLOSES - timedelta(minutes=1))
        delivery.clock.move_to(CLOSES)
        delivery.dispatch()
        assert delivery.mail == []

        delivery.catch_up(CLOSES + timedelta(minutes=20))

        assert delivery.statuses() == {"LATE_PENDING": 1}

    def test_one_that_would_close_before_the_answer(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.scan(CLOSES - timedelta(seconds=15))
        delivery.dispatch()

        assert delivery.mail == []
        assert delivery.statuses() == {"QUEUED": 1}


class TestRetries:
    def test_too_fast_is_tried_again_a_minute_later(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.faults.inject(faults.answer(429))
        delivery.send(OPENS)

        ((status, next_attempt),) = delivery.register.rows(
            "SELECT status, next_attempt_at FROM notification_schedule WHERE event = 'SECONDARY'"
        )
        assert status == "PENDING"
        assert RETRY_DELAYS[0] <= next_attempt - OPENS <= RETRY_DELAYS[0] * (1 + JITTER)

        delivery.send(OPENS + timedelta(seconds=59))
        assert delivery.mail == []
        delivery.send(next_attempt)
        assert len(delivery.mail) == 1
        assert delivery.attempts() == [(1, "RETRY_SAFE", "sendgrid:429"), (2, "ACCEPTED", None)]

    def test_the_vendor_s_own_delay_is_kept(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.faults.inject(faults.answer(429, headers={"Retry-After": "600"}))
        delivery.send(OPENS)

        delivery.send(OPENS + timedelta(minutes=9))
        assert delivery.mail == []
        delivery.send(OPENS + timedelta(minutes=13))
        assert len(delivery.mail) == 1

    def test_retries_spent(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.faults.inject(*[faults.answer(429)] * (len(RETRY_DELAYS) + 1))

        for minutes in (0, 2, 9, 50):
            delivery.send(OPENS + timedelta(minutes=minutes))

        assert [outcome for _, outcome, _ in delivery.attempts()] == ["RETRY_SAFE"] * 4
        assert delivery.register.rows(
            "SELECT status, reason FROM notification_schedule WHERE status = 'DEFERRED'"
        ) == [("DEFERRED", "retries spent: sendgrid:429")]
        delivery.send(OPENS + timedelta(minutes=120))
        assert delivery.mail == []

    def test_a_message_that_the_vendor_will_never_take(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.faults.inject(faults.answer(400))

        delivery.send(OPENS)

        assert delivery.attempts() == [(1, "REJECTED", "sendgrid:400")]
        assert delivery.register.rows(
            "SELECT reason FROM notification_schedule WHERE status = 'DEFERRED'"
        ) == [("rejected: sendgrid:400",)]

    def test_one_bad_message_does_not_take_its_batch_along(self, delivery: Delivery) -> None:
        delivery.due(5)
        delivery.register.execute("UPDATE clinicians SET email = 'not@an@address' WHERE external_id = '3'")

        delivery.send(OPENS)

        assert delivery.statuses() == {"SENT": 4, "DEFERRED": 1}


class TestUnknown:
    @pytest.mark.parametrize(
        "fault", [faults.reset_after_accept, faults.accept_then_answer(502), faults.garble_after_accept]
    )
    def test_taken_and_its_answer_lost(self, delivery: Delivery, fault: Fault) -> None:
        delivery.due()
        delivery.faults.inject(fault)
        delivery.send(OPENS)
        assert delivery.statuses() == {"UNKNOWN": 1}
        # Nothing goes out again while nobody knows.
        delivery.send(OPENS + timedelta(minutes=1))

        assert delivery.catch_up(OPENS + SETTLED_BY)["probed_accepted"] == 1

        delivery.send()
        (email,) = delivery.mail
        assert delivery.statuses() == {"SENT": 1}
        assert delivery.register.rows("SELECT outcome, provider_message_id FROM notification_outbox") == [
            ("ACCEPTED", email.message_id)
        ]

    @pytest.mark.parametrize("fault", [faults.answer(500), faults.reset_unread])
    def test_not_taken_is_sent_again(self, delivery: Delivery, fault: Fault) -> None:
        delivery.due()
        delivery.faults.inject(fault)
        delivery.send(OPENS)
        assert delivery.statuses() == {"UNKNOWN": 1}

        assert delivery.catch_up(OPENS + SETTLED_BY)["probed_not_found"] == 1
        delivery.send()

        assert [outcome for _, outcome, _ in delivery.attempts()] == ["NOT_FOUND", "ACCEPTED"]
        assert len(delivery.mail) == 1

    def test_what_the_vendor_does_not_know_has_spent_no_retry(self, delivery: Delivery) -> None:
        delivery.due()
        at = OPENS
        for lost in range(1, len(RETRY_DELAYS) + 2):
            delivery.faults.inject(faults.answer(500))
            delivery.send(at)
            at += SETTLED_BY
            assert delivery.catch_up(at)["probed_not_found"] == 1
            assert delivery.register.rows(
                "SELECT status, attempt_count, retry_count FROM notification_schedule WHERE event = 'SECONDARY'"
            ) == [("PENDING", lost, 0)]
        # All the retries are still there.
        for delay in RETRY_DELAYS:
            delivery.faults.inject(faults.answer(429))
            delivery.send(at)
            at += delay * (1 + JITTER)
        delivery.send(at)

        assert delivery.statuses() == {"SENT": 1}
        assert [outcome for _, outcome, _ in delivery.attempts()] == (
            ["NOT_FOUND"] * (len(RETRY_DELAYS) + 1) + ["RETRY_SAFE"] * len(RETRY_DELAYS) + ["ACCEPTED"]
        )

    def test_the_vendor_s_records_are_given_time_to_show_it(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.faults.inject(faults.reset_after_accept)
        delivery.send(OPENS)

        delivery.catch_up(OPENS + timedelta(minutes=4))

        assert delivery.statuses() == {"UNKNOWN": 1}

    def test_not_taken_and_found_out_after_the_window_is_late(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.faults.inject(faults.answer(500))
        delivery.send(CLOSES - timedelta(minutes=1))

        delivery.catch_up(CLOSES + SETTLED_BY)
        delivery.send(CLOSES + SETTLED_BY)

        (email,) = delivery.mail
        assert email.received_at == CLOSES + SETTLED_BY
        assert email.subject.startswith("Re-confirming")
        assert delivery.register.rows("SELECT outcome FROM notification_outbox ORDER BY attempt_number") == [
            ("NOT_FOUND",),
            ("ACCEPTED",),
        ]


class TestRefused:
    def test_it_alone_comes_back_and_ends_in_the_dead_letter_queue(self, delivery: Delivery) -> None:
        delivery.due(2)
        delivery.scan(OPENS)
        sqs, url = boto3.client("sqs"), delivery.running.stack.ref("EmailQueue")
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"key": "5f"}), MessageGroupId="t")
        # As if time flew: what failed is visible again at once.
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})

        delivery.dispatch()

        dead = sqs.receive_message(
            QueueUrl=delivery.running.stack.ref("EmailDlq"),
            WaitTimeSeconds=0,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        assert [message["Body"] for message in dead["Messages"]] == ['{"key": "5f"}']
        assert delivery.bodies() == []
        assert delivery.statuses() == {"SENT": 2}
        assert len(delivery.mail) == 2

    def test_what_is_not_ours_or_says_something_else(
        self, delivery: Delivery, capsys: pytest.CaptureFixture[str]
    ) -> None:
        row = {"key": "5f" * 32, "scheduled_at": "2026-10-26T12:00:00+00:00"}
        whole = {"notifications": [row]}
        ours, forger = (
            runtime().key_ring,
            KeyRing({"local": "a forger's own key, of thirty-two bytes"}, "local"),
        )
        sealed = ours.seal("queue", whole)
        bodies = [
            "",
            "{}",
            json.dumps(whole),
            forger.seal("queue", whole),
            ours.seal("link", whole),
            sealed[:-3] + ("abc" if sealed[-3:] != "abc" else "cba"),
            ours.seal("queue", {"notifications": []}),
            ours.seal("queue", {"notifications": [{"key": "5f" * 32}]}),
            ours.seal("queue", {"notifications": [row, row | {"scheduled_at": "2026-10-26T12:00:00"}]}),
            ours.seal("queue", {"notifications": [row | {"key": "5F" * 32}]}),
            ours.seal("queue", {"notifications": [row | {"name": "Ada"}]}),
            ours.seal("queue", whole | {"name": "Ada"}),
        ]

        answer = invoke(delivery, [{"MessageId": body, "Body": body} for body in bodies])

        assert answer == {"batchItemFailures": [{"itemIdentifier": body} for body in bodies]}
        metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
        assert [metric["messages_refused"] for metric in metrics if "messages_refused" in metric] == [[12.0]]

    def test_a_row_that_is_not_there_is_nothing_to_send(self, delivery: Delivery) -> None:
        row = {"key": "5f" * 32, "scheduled_at": "2026-10-26T12:00:00+00:00"}
        body = runtime().key_ring.seal("queue", {"notifications": [row]})

        assert invoke(delivery, [{"MessageId": "m-1", "Body": body}]) == {"batchItemFailures": []}


class TestConnections:
    def test_none_is_held_while_the_provider_is_asked(self, delivery: Delivery) -> None:
        """With a single connection at all, the batch's sends find it free, whichever order they come in."""
        delivery.due(10)
        delivery.scan(OPENS)
        batch = delivery.opened(delivery.receive())
        database = delivery.register.database
        engine = create_engine(
            host=database.postgres.socket,
            port=5432,
            database=database.name,
            verify_tls=False,
            credentials=lambda: Credentials("nolapse_engine", "trusted"),
        )
        held: list[int] = []

        def look(exchange: Exchange) -> None:
            held.append(engine.pool.checkedout())
            exchange.reply(exchange.process())

        delivery.faults.inject(*[look] * 10)
        made = runtime()
        counts = dispatch(engine, made.outlets, made.sender, made.dispatch_rules, batch=batch, now=OPENS)
        engine.dispose()

        assert counts["accepted"] == 10
        assert held == [0] * 10


@dataclass(frozen=True, slots=True)
class Breaking:
    """An SDK that breaks for somebody, before or after the request has left."""

    provider: Provider[Any]
    sends: bool
    name: str = "breaking"

    def send(self, message: Any) -> Outcome:
        if message.to != "ada1@clinic.test":
            return self.provider.send(message)
        if self.sends:
            self.provider.send(message)
        raise OverflowError(message.to)

    def probe(self, sought: Sought) -> ProbeResult:
        return self.provider.probe(sought)


def breaking(*, sends: bool) -> Outlets:
    made = runtime()
    outlet = made.outlets.find("EMAIL", "sendgrid")
    broken = replace(outlet, provider=Breaking(outlet.provider, sends))
    return replace(made.outlets, by_channel={"EMAIL": {"breaking": lambda: broken}})


def settle(delivery: Delivery, outlets: Outlets, now: datetime) -> Counter[str]:
    delivery.clock.move_to(now)
    made = runtime()
    return catch_up(made.engine, outlets, made.late_policy, patience=timedelta(), now=now)


def test_what_breaks_an_sdk_does_not_take_its_batch_along(
    delivery: Delivery, caplog: pytest.LogCaptureFixture
) -> None:
    delivery.due(3)
    made, outlets = runtime(), breaking(sends=True)
    delivery.scan(OPENS)
    batch = delivery.opened(delivery.receive())
    dispatch(made.engine, outlets, made.sender, made.dispatch_rules, batch=batch, now=OPENS)
    assert delivery.statuses() == {"SENT": 2, "UNKNOWN": 1}
    (line,) = [vars(record) for record in caplog.records if record.message == "provider.broke"]
    assert (line["provider"], line["kind"]) == ("breaking", "OverflowError")
    assert "in send" in line["trace"]
    assert "ada1" not in str(line)

    settle(delivery, outlets, OPENS + timedelta(hours=1))

    assert delivery.statuses() == {"SENT": 3}


def test_what_always_breaks_it_comes_before_a_human(delivery: Delivery) -> None:
    delivery.due()
    made, outlets = runtime(), breaking(sends=False)
    for hour in range(len(RETRY_DELAYS) + 1):
        now = OPENS + timedelta(minutes=50 * hour)
        delivery.scan(now)
        batch = delivery.opened(delivery.receive())
        dispatch(made.engine, outlets, made.sender, made.dispatch_rules, batch=batch, now=now)
        settle(delivery, outlets, now + timedelta(minutes=40))

    assert delivery.register.rows(
        "SELECT status, reason FROM notification_schedule WHERE event = 'SECONDARY'"
    ) == [("DEFERRED", "retries spent: breaking:broke:OverflowError")]
