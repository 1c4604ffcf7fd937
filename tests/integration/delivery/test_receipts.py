"""What vendors say later, through their signed webhooks: into the schedule once, in whatever order it comes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.faults import FaultQueue
from local.doubles.received import ReceivedEmail, ReceivedText
from nolapse.delivery.receipts import MEMORY, PATIENCE
from nolapse.delivery.resend import Wanted, find_unsent, send_again
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import CLOSES, OPENS, Delivery, delivering

MINUTE = timedelta(minutes=1)
PHONE = "+12125550123"


@dataclass(frozen=True, slots=True)
class Vendors:
    """E-mail by SendGrid, else Mailgun; SMS by Twilio."""

    delivery: Delivery
    mailgun: FaultQueue

    def due(self, people: int = 1, channels: Sequence[str] = ("EMAIL", "SMS")) -> None:
        self.delivery.told_by(*channels)
        self.delivery.due(people)
        self.delivery.register.execute("UPDATE clinicians SET phone = :phone", phone=PHONE)

    @property
    def texts(self) -> list[ReceivedText]:
        return self.delivery.running.others["twilio"].messages()  # type: ignore[return-value]

    def sendgrid(self, event: str, email: ReceivedEmail | None = None, **more: str) -> int:
        at = self.delivery.clock.now()
        webhook = self.delivery.running.receipts.webhooks.sendgrid
        call = webhook.call([webhook.event(email or self.delivery.mail[0], event, at, **more)], at)
        return self.delivery.running.receipts.tell(call)

    def bounce(self, email: ReceivedEmail | None = None) -> int:
        return self.sendgrid("bounce", email, type="bounce", bounce_classification="Invalid Address")

    def answer(self, body: str, number: str = PHONE, sid: str = "a") -> int:
        webhook = self.delivery.running.receipts.webhooks.twilio
        return self.delivery.running.receipts.tell(webhook.answer(number, body, f"SM{sid * 32}"))

    def row(self) -> tuple[Any, ...]:
        return self.delivery.register.rows(
            "SELECT status, channel_position, reason FROM notification_schedule WHERE event = 'SECONDARY'"
        )[0]

    def suppressions(self) -> list[tuple[Any, ...]]:
        return self.delivery.register.rows(
            "SELECT channel, reason, in_force FROM suppressions ORDER BY channel, reason"
        )


@pytest.fixture
def vendors(register: Register, tmp_path: Path) -> Iterator[Vendors]:
    mailgun = FaultQueue()
    with delivering(register, tmp_path / "mail.sqlite", mailgun=mailgun, twilio=FaultQueue()) as delivery:
        yield Vendors(delivery, mailgun)


class TestTheLoop:
    def test_what_every_vendor_took_is_delivered(self, vendors: Vendors) -> None:
        vendors.due(3)
        vendors.delivery.faults.inject(faults.answer(429), faults.answer(400))
        vendors.delivery.send(OPENS)
        assert (len(vendors.delivery.mail), len(vendors.texts)) == (1, 1)

        vendors.delivery.running.receipts.deliver()
        assert vendors.delivery.statuses() == {"DELIVERED": 3}
        vendors.delivery.running.receipts.deliver()

        assert vendors.delivery.register.rows(
            "SELECT provider, kind, applied_at IS NOT NULL FROM provider_receipts ORDER BY provider"
        ) == [(provider, "DELIVERED", True) for provider in ("mailgun", "sendgrid", "twilio-sms")]

    def test_one_told_again_changes_nothing(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        assert vendors.sendgrid("delivered") == 200
        before = vendors.delivery.register.rows("SELECT * FROM audit_log ORDER BY seq")

        assert vendors.sendgrid("delivered") == 200

        assert vendors.delivery.register.rows("SELECT * FROM audit_log ORDER BY seq") == before
        assert vendors.delivery.register.rows("SELECT count(*) FROM provider_receipts") == [(1,)]


class TestProof:
    @pytest.mark.parametrize("fault", [faults.reset_after_accept, faults.garble_after_accept])
    def test_an_unknown_one_is_settled(self, vendors: Vendors, fault: faults.Fault) -> None:
        vendors.due()
        vendors.delivery.faults.inject(fault)
        vendors.delivery.send(OPENS)
        assert vendors.delivery.statuses() == {"UNKNOWN": 1}

        vendors.sendgrid("processed")
        assert vendors.row() == ("SENT", 1, None)
        vendors.sendgrid("delivered")

        assert vendors.row() == ("DELIVERED", 1, None)
        assert vendors.delivery.attempts() == [(1, "ACCEPTED", None)]
        assert vendors.delivery.catch_up(OPENS + 10 * MINUTE).get("probed_accepted") is None

    def test_one_that_comes_before_its_sender_s_own_word(self, vendors: Vendors) -> None:
        vendors.due()

        def told_at_once(exchange: Any) -> None:
            reply = exchange.process()
            vendors.sendgrid("delivered")
            exchange.reply(reply)

        vendors.delivery.faults.inject(told_at_once)
        vendors.delivery.send(OPENS)

        assert vendors.row() == ("DELIVERED", 1, None)
        assert vendors.delivery.attempts() == [(1, "ACCEPTED", None)]

    def test_one_of_a_row_that_waits_to_be_sent_again(self, vendors: Vendors) -> None:
        """A vendor's records did not show it, and then it arrived after all: it is not sent twice."""
        vendors.due()
        vendors.delivery.faults.inject(faults.reset_after_accept)
        vendors.delivery.send(OPENS)
        vendors.delivery.register.execute("UPDATE notification_outbox SET outcome = 'UNPROVEN'")
        vendors.delivery.register.execute(
            "UPDATE notification_schedule SET status = 'PENDING', claimed_at = NULL WHERE status = 'UNKNOWN'"
        )
        vendors.sendgrid("delivered")
        vendors.delivery.send(OPENS + MINUTE)

        assert vendors.row() == ("DELIVERED", 1, None)
        assert len(vendors.delivery.mail) == 1

    def test_a_late_one_of_an_earlier_attempt_moves_nothing(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.faults.inject(faults.reset_after_accept)
        vendors.delivery.send(OPENS)
        vendors.delivery.register.execute("UPDATE notification_outbox SET outcome = 'UNPROVEN'")
        vendors.delivery.register.execute(
            "UPDATE notification_schedule SET status = 'PENDING', claimed_at = NULL WHERE status = 'UNKNOWN'"
        )
        vendors.delivery.send(OPENS + MINUTE)
        first, second = vendors.delivery.mail

        vendors.bounce(first)
        assert vendors.row() == ("SENT", 1, None)
        vendors.sendgrid("delivered", second)

        assert vendors.row() == ("DELIVERED", 1, None)
        assert [outcome for _, outcome, _ in vendors.delivery.attempts()] == ["BOUNCED", "ACCEPTED"]

    def test_one_whose_attempt_is_not_there_yet_waits_for_it(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.delivery.register.execute("UPDATE notification_outbox SET attempt_id = uuidv7()")
        vendors.sendgrid("delivered")
        assert vendors.row() == ("SENT", 1, None)
        assert vendors.delivery.catch_up(OPENS + MINUTE)["receipts_applied"] == 0

        vendors.delivery.register.execute(
            "UPDATE notification_outbox SET attempt_id = CAST(:sent AS uuid)",
            sent=vendors.delivery.mail[0].attempt_id,
        )
        assert vendors.delivery.catch_up(OPENS + 2 * MINUTE)["receipts_applied"] == 1

        assert vendors.row() == ("DELIVERED", 1, None)
        assert vendors.delivery.catch_up(OPENS + 3 * MINUTE)["receipts_applied"] == 0

    def test_one_that_waits_in_vain_is_counted_and_forgotten(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.delivery.register.execute("UPDATE notification_outbox SET attempt_id = uuidv7()")
        vendors.sendgrid("delivered")

        assert vendors.delivery.catch_up(OPENS + PATIENCE - MINUTE)["receipts_too_late"] == 0
        assert vendors.delivery.catch_up(OPENS + PATIENCE)["receipts_too_late"] == 1

        assert vendors.delivery.register.rows("SELECT count(*) FROM provider_receipts") == [(0,)]

    def test_what_is_old_is_forgotten(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.sendgrid("delivered")

        assert vendors.delivery.catch_up(OPENS + MEMORY)["receipts_too_late"] == 0

        assert vendors.delivery.register.rows("SELECT count(*) FROM provider_receipts") == [(0,)]

    def test_mail_of_the_same_account_that_is_not_ours(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)

        assert vendors.sendgrid("bounce", type="bounce", attempt_id="newsletter-7") == 200

        assert vendors.row() == ("SENT", 1, None)
        assert vendors.suppressions() == []

    @pytest.mark.parametrize("theirs", [7, 7.5, True, None, ["a"], {"a": 7}])
    def test_mail_that_is_not_ours_takes_none_of_ours_along(self, vendors: Vendors, theirs: object) -> None:
        """Other mail of the account may carry anything under our names."""
        vendors.due()
        vendors.delivery.send(OPENS)
        running, email = vendors.delivery.running, vendors.delivery.mail[0]
        webhook = running.receipts.webhooks.sendgrid
        ours = webhook.event(email, "delivered", OPENS)
        foreign = {**ours, "sg_event_id": "theirs", "attempt_id": theirs, "key": theirs}

        assert running.receipts.tell(webhook.call([foreign, ours], OPENS)) == 200

        assert vendors.row() == ("DELIVERED", 1, None)

    def test_mailgun_s_neither(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        running = vendors.delivery.running
        call = running.receipts.webhooks.mailgun.call(
            vendors.delivery.mail[0], "delivered", OPENS, **{"user-variables": {"attempt_id": 7, "key": 7}}
        )

        assert running.receipts.tell(call) == 200

        assert vendors.row() == ("SENT", 1, None)

    def test_a_vendor_speaks_of_its_own_attempts_alone(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        running = vendors.delivery.running

        call = running.receipts.webhooks.mailgun.call(
            vendors.delivery.mail[0],
            "failed",
            OPENS,
            severity="permanent",
            **{"delivery-status": {"code": 550}},
        )
        assert running.receipts.tell(call) == 200

        assert vendors.row() == ("SENT", 1, None)
        assert vendors.suppressions() == []


class TestBounce:
    def test_it_goes_on_by_the_next_channel_within_its_window(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.delivery.clock.move_to(OPENS + MINUTE)
        vendors.bounce()
        assert vendors.row() == ("PENDING", 2, "bounced: sendgrid:bounce:invalid-address")

        vendors.delivery.send(OPENS + 2 * MINUTE)
        vendors.delivery.running.receipts.deliver()

        assert vendors.row() == ("DELIVERED", 2, None)
        assert [(text.to, text.received_at) for text in vendors.texts] == [(PHONE, OPENS + 2 * MINUTE)]
        assert vendors.delivery.attempts() == [
            (1, "BOUNCED", "sendgrid:bounce:invalid-address"), (2, "ACCEPTED", None),
        ]  # fmt: skip

    def test_said_of_what_had_been_delivered_it_counts_all_the_same(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.sendgrid("delivered")
        vendors.bounce()
        vendors.sendgrid("delivered")

        assert vendors.row()[:2] == ("PENDING", 2)

    def test_without_another_channel_it_stays_until_a_human_sends_it_to_another_address(
        self, vendors: Vendors
    ) -> None:
        vendors.due(channels=("EMAIL",))
        vendors.delivery.send(OPENS)
        vendors.bounce()
        assert vendors.row() == ("BOUNCED", 1, "bounced: sendgrid:bounce:invalid-address")
        register, engine = vendors.delivery.register, vendors.delivery.register.database.engine
        register.execute("UPDATE clinicians SET email = 'ada.byron@clinic.test'")

        with engine.connect() as connection:
            unasked = find_unsent(connection, Wanted(OPENS - timedelta(days=14)), now=OPENS)
            asked = find_unsent(connection, Wanted(OPENS - timedelta(days=14), reason="bounced"), now=OPENS)
        assert unasked == []
        send_again(engine, asked, who="grace", now=OPENS, per_second=100)
        vendors.delivery.send(OPENS + MINUTE)

        assert vendors.row() == ("SENT", 1, None)
        assert vendors.delivery.mail[-1].to == "ada.byron@clinic.test"

    def test_after_its_window_it_goes_on_in_a_late_one(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.delivery.clock.move_to(CLOSES + MINUTE)
        vendors.bounce()
        assert vendors.row()[:2] == ("LATE_PENDING", 2)

        vendors.delivery.send_late(CLOSES + 2 * MINUTE)

        assert (vendors.row()[:2], len(vendors.texts)) == (("SENT", 2), 1)

    def test_beyond_the_lookback_it_stays(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.delivery.clock.move_to(CLOSES + timedelta(days=14))
        vendors.bounce()

        assert vendors.row()[:2] == ("BOUNCED", 1)

    def test_not_while_an_earlier_attempt_may_have_got_through(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.faults.inject(faults.reset_after_accept)
        vendors.delivery.send(OPENS)
        vendors.delivery.register.execute("UPDATE notification_outbox SET outcome = 'UNPROVEN'")
        vendors.delivery.register.execute(
            "UPDATE notification_schedule SET status = 'PENDING', claimed_at = NULL WHERE status = 'UNKNOWN'"
        )
        vendors.delivery.send(OPENS + MINUTE)
        first, second = vendors.delivery.mail

        vendors.bounce(second)
        assert vendors.row()[:2] == ("BOUNCED", 1)
        vendors.bounce(first)

        assert vendors.row()[:2] == ("PENDING", 2)

    def test_reconcile_finds_nothing_wrong_with_it(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.bounce()
        counts = vendors.delivery.invoke("ReconcileFunction", OPENS + MINUTE)
        assert (counts["drift"], counts["unhealed"], vendors.row()[0]) == (0, 0, "PENDING")
        vendors.delivery.send()
        twilio = vendors.delivery.running.receipts.webhooks.twilio
        assert (
            vendors.delivery.running.receipts.tell(twilio.status(vendors.texts[0], "undelivered", 30005))
            == 200
        )
        assert vendors.row() == ("BOUNCED", 2, "bounced: twilio-sms:30005")

        counts = vendors.delivery.invoke("ReconcileFunction", OPENS + 2 * MINUTE)

        assert (counts["drift"], counts["unhealed"], vendors.row()[0]) == (0, 0, "BOUNCED")


class TestSuppression:
    def again(self, vendors: Vendors, at: datetime) -> None:
        """Another reminder to the same person."""
        vendors.delivery.register.execute(
            "INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)"
            " SELECT tenant_id, clinician_id, 'MD', 'NY', 'MD-' || external_id, '2026-11-25' FROM clinicians"
        )
        vendors.delivery.register.plan(at)
        vendors.delivery.send(at)

    def test_a_dead_address_is_passed_by_without_an_attempt(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.bounce()
        assert vendors.suppressions() == [("EMAIL", "HARD_BOUNCE", True)]

        self.again(vendors, OPENS + MINUTE)

        assert [email.received_at for email in vendors.delivery.mail] == [OPENS]
        assert len(vendors.texts) == 2
        assert vendors.delivery.statuses() == {"SENT": 2}

    @pytest.mark.parametrize(
        ("event", "more", "suppressed"),
        [
            ("bounce", {"type": "blocked", "bounce_classification": "Content"}, []),
            ("dropped", {"reason": "Bounced Address"}, ["HARD_BOUNCE"]),
            ("dropped", {"reason": "Unsubscribed Address"}, ["UNSUBSCRIBED"]),
            ("spamreport", {}, ["COMPLAINT"]),
            ("group_unsubscribe", {}, ["UNSUBSCRIBED"]),
            ("deferred", {}, []),
        ],
    )
    def test_what_says_something_of_the_address(
        self, vendors: Vendors, event: str, more: dict[str, str], suppressed: list[str]
    ) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.sendgrid(event, **more)

        assert vendors.suppressions() == [("EMAIL", reason, True) for reason in suppressed]

    def test_with_no_channel_left_operators_see_why(self, vendors: Vendors) -> None:
        vendors.due(channels=("EMAIL",))
        vendors.delivery.send(OPENS)
        vendors.sendgrid("spamreport")
        self.again(vendors, OPENS + MINUTE)

        assert vendors.delivery.register.rows(
            "SELECT status, reason FROM notification_schedule WHERE event = 'SECONDARY' ORDER BY status"
        ) == [("DEFERRED", "no channel reaches this person: EMAIL suppressed"), ("DELIVERED", None)]

    def test_an_address_is_known_whatever_its_case_and_kept_as_its_digest(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.bounce()
        vendors.delivery.register.execute("UPDATE clinicians SET email = upper(email)")
        self.again(vendors, OPENS + MINUTE)

        assert len(vendors.delivery.mail) == 1
        ((stored,),) = vendors.delivery.register.rows("SELECT CAST(suppressions AS text) FROM suppressions")
        assert "@" not in stored

    def test_of_one_tenant_alone(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        vendors.sendgrid("spamreport")
        vendors.delivery.due(1, "another")
        vendors.delivery.send(OPENS + MINUTE)

        assert len(vendors.delivery.mail) == 2


class TestStop:
    def test_it_binds_every_tenant_with_that_number_and_start_lifts_it(self, vendors: Vendors) -> None:
        vendors.due(channels=("SMS",))
        vendors.delivery.due(1, "another")
        vendors.delivery.register.execute("UPDATE clinicians SET phone = :phone", phone=PHONE)

        assert vendors.answer(" Stop. ") == 200
        assert vendors.suppressions() == [("SMS", "STOP", True)] * 2
        vendors.delivery.send(OPENS)
        assert (vendors.texts, vendors.delivery.statuses()) == ([], {"DEFERRED": 2})

        vendors.delivery.clock.move_to(OPENS + MINUTE)
        assert vendors.answer("START", sid="b") == 200
        assert vendors.suppressions() == [("SMS", "STOP", False)] * 2

    def test_told_again_after_start_it_does_not_come_back(self, vendors: Vendors) -> None:
        vendors.due(channels=("SMS",))
        for minutes, (word, sid) in enumerate([("STOP", "a"), ("START", "b"), ("STOP", "a")]):
            vendors.delivery.clock.move_to(OPENS + minutes * MINUTE)
            assert vendors.answer(word, sid=sid) == 200

        assert vendors.suppressions() == [("SMS", "STOP", False)]

    def test_a_recorded_call_is_remembered_longer_than_other_receipts(self, vendors: Vendors) -> None:
        """Twilio signs no time: what is told again years later can be told from a new word by its id alone."""
        vendors.due(channels=("SMS",))
        vendors.answer("STOP", sid="a")
        vendors.delivery.clock.move_to(OPENS + MINUTE)
        vendors.answer("START", sid="b")

        vendors.delivery.catch_up(OPENS + 2 * MEMORY)
        assert vendors.answer("STOP", sid="a") == 200
        assert vendors.suppressions() == [("SMS", "STOP", False)]

        vendors.answer("STOP", sid="c")
        vendors.delivery.catch_up(OPENS + 4 * MEMORY)
        assert vendors.answer("START", sid="b") == 200
        assert vendors.suppressions() == [("SMS", "STOP", True)]

    def test_so_is_a_refusal_for_its_sake(self, vendors: Vendors) -> None:
        vendors.due(channels=("SMS",))
        vendors.delivery.send(OPENS)
        refused = vendors.delivery.running.receipts.webhooks.twilio.status(
            vendors.texts[0], "undelivered", 21610
        )
        vendors.delivery.running.receipts.tell(refused)
        assert vendors.suppressions() == [("SMS", "STOP", True)]
        vendors.delivery.clock.move_to(OPENS + MINUTE)
        vendors.answer("START")

        vendors.delivery.catch_up(OPENS + 2 * MEMORY)
        vendors.delivery.running.receipts.tell(refused)

        assert vendors.suppressions() == [("SMS", "STOP", False)]

    def test_on_whatsapp_it_is_of_the_number_that_agreed_to_it(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.register.execute(
            "UPDATE clinicians SET phone = '+12125550188', whatsapp = :number", number=PHONE
        )

        assert vendors.answer("STOP", f"whatsapp:{PHONE}") == 200
        assert vendors.answer("STOP", "whatsapp:+12125550188", sid="b") == 200

        assert vendors.suppressions() == [("WHATSAPP", "STOP", True)]

    def test_of_a_number_that_nobody_has(self, vendors: Vendors) -> None:
        vendors.due()

        assert vendors.answer("STOP", "+12125550199") == 200

        assert vendors.suppressions() == []

    def test_it_is_audited_without_the_number(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.answer("STOP")
        vendors.delivery.clock.move_to(OPENS)
        vendors.answer("START", sid="b")

        assert vendors.delivery.register.rows(
            "SELECT action, actor, to_status, reason, strpos(subject, '0123') FROM audit_log"
            " WHERE action LIKE 'suppression.%' ORDER BY seq"
        ) == [
            ("suppression.recorded", "receipts", "SMS", "STOP", 0),
            ("suppression.lifted", "receipts", "SMS", "STOP", 0),
        ]


class TestRefusal:
    @pytest.mark.parametrize(("vendor", "status"), [("sendgrid", 401), ("twilio", 401), ("mailgun", 406)])
    def test_what_is_altered_on_the_way(self, vendors: Vendors, vendor: str, status: int) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        running = vendors.delivery.running
        webhooks, email = running.receipts.webhooks, vendors.delivery.mail[0]
        call = {
            "sendgrid": webhooks.sendgrid.call([webhooks.sendgrid.event(email, "delivered", OPENS)], OPENS),
            "twilio": webhooks.twilio.answer(PHONE, "STOP", "SM" + "a" * 32),
            "mailgun": webhooks.mailgun.call(email, "delivered", OPENS),
        }[vendor]
        path, headers, body = call.path, call.headers, call.body
        token = b'"token": "'
        altered = body.replace(token, token + b"0") if vendor == "mailgun" else body + b" "

        assert running.receipts.tell(type(call)(path, headers, altered)) == status

        assert vendors.delivery.register.rows("SELECT count(*) FROM provider_receipts") == [(0,)]
        assert vendors.suppressions() == []

    def test_a_recording(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        webhook = vendors.delivery.running.receipts.webhooks.sendgrid
        call = webhook.call([webhook.event(vendors.delivery.mail[0], "bounce", OPENS, type="bounce")], OPENS)
        vendors.delivery.clock.move_to(OPENS + 6 * MINUTE)

        assert vendors.delivery.running.receipts.tell(call) == 401

        assert vendors.row() == ("SENT", 1, None)

    def test_what_is_signed_and_of_no_shape(self, vendors: Vendors) -> None:
        webhook = vendors.delivery.running.receipts.webhooks.sendgrid
        call = webhook.call([{"sg_message_id": 7}], vendors.delivery.clock.now())

        assert vendors.delivery.running.receipts.tell(call) == 400

    def test_a_vendor_that_is_none(self, vendors: Vendors) -> None:
        webhook = vendors.delivery.running.receipts.webhooks.sendgrid
        call = webhook.call([], vendors.delivery.clock.now())

        assert (
            vendors.delivery.running.receipts.tell(type(call)("/webhooks/nobody", call.headers, b"[]")) == 404
        )
