"""WhatsApp, tenants' own systems, the hours of the law and the pace of a tenant: what leaves, by what, and when."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.doubles import faults
from local.doubles.faults import FaultQueue
from local.doubles.received import ReceivedText
from local.doubles.tenant_endpoint import TenantEndpointDouble
from nolapse.delivery.dispatch import dispatch
from nolapse.domain.routing import RETRY_DELAYS
from nolapse.runtime.bootstrap import runtime
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import CLOSES, OPENS, Delivery, delivering

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
NUMBER = "+12125550123"
SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIGNsaW5pYywgb3Igb2Y="
SAID = "Your RN license expires in 30 days (November 25, 2026)"


@dataclass(frozen=True, slots=True)
class Channels:
    delivery: Delivery
    twilio: FaultQueue
    endpoint: TenantEndpointDouble
    knocks: FaultQueue

    @property
    def texts(self) -> list[ReceivedText]:
        return self.delivery.running.others["twilio"].messages()  # type: ignore[return-value]

    def due(self, *channels: str, people: int = 1, slug: str = "clinic") -> str:
        """A tenant whose people are told by these channels; returns its id."""
        self.delivery.told_by(*channels)
        return str(self.delivery.due(people, slug))

    def reachable(self, **numbers: str | None) -> None:
        for field, number in numbers.items():
            self.delivery.register.execute(f"UPDATE clinicians SET {field} = :number", number=number)  # noqa: S608

    def has_webhook(self, tenant: str, url: str | None = None, *keys: str) -> None:
        self.delivery.register.execute(
            "INSERT INTO tenant_webhooks (tenant_id, url, updated_at) VALUES (:tenant, :url, :now)",
            tenant=tenant,
            url=url or self.endpoint.url,
            now=OPENS,
        )
        boto3.client("secretsmanager").create_secret(
            Name=f"nolapse-local/webhooks/{tenant}", SecretString=json.dumps({"keys": keys or [SECRET]})
        )

    def attempts(self) -> list[tuple[Any, ...]]:
        return self.delivery.register.rows(
            "SELECT attempt_number, channel, provider, outcome, code FROM notification_outbox"
            " ORDER BY attempt_number, started_at, attempt_id"
        )


@pytest.fixture
def channels(register: Register, tmp_path: Path) -> Iterator[Channels]:
    twilio, knocks = FaultQueue(), FaultQueue()
    with delivering(register, tmp_path / "mail.sqlite", twilio=twilio) as delivery:
        store = tmp_path / "endpoint.sqlite"
        with TenantEndpointDouble(store, delivery.clock.now, knocks, keys=[SECRET]) as endpoint:
            yield Channels(delivery, twilio, endpoint, knocks)


class TestWhatsApp:
    def test_an_approved_text_reaches_who_agreed(self, channels: Channels) -> None:
        channels.due("WHATSAPP", "EMAIL")
        channels.reachable(whatsapp=NUMBER)
        channels.delivery.send(OPENS)

        (text,) = channels.texts
        assert (text.channel, text.to, text.sender) == ("whatsapp", NUMBER, "+15005550007")
        assert text.body == (
            f"A reminder from clinic: {SAID}. Go to http://127.0.0.1:8000/portal for more, or reply STOP to end these."
        )
        assert channels.attempts() == [(1, "WHATSAPP", "twilio-whatsapp", "ACCEPTED", None)]

    def test_a_phone_number_alone_is_no_agreement(self, channels: Channels) -> None:
        channels.due("WHATSAPP", "SMS")
        channels.reachable(phone=NUMBER)
        channels.delivery.send(OPENS)
        assert [text.channel for text in channels.texts] == ["sms"]

    def test_a_refusal_goes_to_the_next_channel(self, channels: Channels) -> None:
        channels.due("WHATSAPP", "EMAIL")
        channels.reachable(whatsapp=NUMBER)
        channels.twilio.inject(faults.answer(400, body={"code": 63016}))
        channels.delivery.send(OPENS)
        assert channels.attempts() == [
            (1, "WHATSAPP", "twilio-whatsapp", "REJECTED", "twilio-whatsapp:63016"),
            (2, "EMAIL", "sendgrid", "ACCEPTED", None),
        ]

    @pytest.mark.parametrize("fault", [faults.reset_after_accept, faults.accept_then_answer(502)])
    def test_a_lost_answer_is_found_by_its_text_and_sent_once(
        self, channels: Channels, fault: faults.Fault
    ) -> None:
        channels.due("WHATSAPP", "EMAIL")
        channels.reachable(whatsapp=NUMBER)
        channels.twilio.inject(fault)
        channels.delivery.send(OPENS)
        assert channels.delivery.statuses() == {"UNKNOWN": 1}

        channels.delivery.catch_up(OPENS + HOUR)
        channels.delivery.send()

        assert channels.delivery.statuses() == {"SENT": 1}
        assert (len(channels.texts), channels.delivery.mail) == (1, [])


class TestWebhook:
    def test_a_tenant_s_own_system_is_told_in_ids_of_its_own(self, channels: Channels) -> None:
        tenant = channels.due("WEBHOOK")
        channels.has_webhook(tenant)
        channels.delivery.send(OPENS)

        (event,) = channels.endpoint.messages()
        ((key,),) = channels.delivery.register.rows(
            "SELECT encode(idempotency_key, 'hex') FROM notification_schedule WHERE status = 'SENT'"
        )
        assert event.key == key
        assert event.payload == {
            "type": "notification.due",
            "timestamp": "2026-10-26T12:00:00Z",
            "data": {
                "notification": key,
                "event": "SECONDARY",
                "occasion": "LICENSE_EXPIRY",
                "occasion_date": "2026-11-25",
                "late": False,
                "recipient": "1",
                "holder": "1",
                "license_type": "RN",
                "state": "NY",
                "license_last4": "••••-1",
                "subject": SAID,
            },
        }
        assert channels.attempts() == [(1, "WEBHOOK", "tenant-webhook", "ACCEPTED", None)]

    def test_what_may_have_arrived_is_sent_again_and_is_one_event(self, channels: Channels) -> None:
        channels.has_webhook(channels.due("WEBHOOK"))
        channels.knocks.inject(faults.reset_after_accept, faults.accept_then_answer(502))
        at = OPENS
        for delay in (*RETRY_DELAYS[:2], timedelta()):
            channels.delivery.send(at)
            at += delay * 1.2 + MINUTE

        assert channels.delivery.statuses() == {"SENT": 1}
        assert (len(channels.endpoint.tries()), len(channels.endpoint.messages())) == (3, 1)

    def test_a_dispatcher_that_died_is_made_up_for_under_the_same_id(self, channels: Channels) -> None:
        channels.has_webhook(channels.due("WEBHOOK"))
        channels.delivery.send(OPENS)
        channels.delivery.register.execute(
            "UPDATE notification_outbox SET outcome = NULL, finished_at = NULL, provider_message_id = NULL"
        )
        with channels.delivery.register.database.owner.begin() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql(
                "UPDATE notification_schedule SET status = 'SENDING' WHERE status = 'SENT'"
            )
        channels.delivery.catch_up(OPENS + HOUR)
        channels.delivery.catch_up(OPENS + HOUR + 10 * MINUTE)
        channels.delivery.send()

        assert channels.delivery.statuses() == {"SENT": 1}
        assert (len(channels.endpoint.tries()), len(channels.endpoint.messages())) == (2, 1)

    def test_a_receiver_that_is_gone_is_not_knocked_at_again(self, channels: Channels) -> None:
        channels.has_webhook(channels.due("WEBHOOK", "EMAIL", people=2))
        channels.knocks.inject(faults.answer(410), faults.answer(410))
        channels.delivery.send(OPENS)
        assert (channels.delivery.statuses(), len(channels.delivery.mail)) == ({"SENT": 2}, 2)
        ((disabled,),) = channels.delivery.register.rows("SELECT disabled_at FROM tenant_webhooks")
        assert disabled == OPENS

        channels.delivery.register.execute("UPDATE licenses SET expires_on = expires_on + 1")
        channels.delivery.register.plan(OPENS)
        channels.delivery.send(OPENS + timedelta(days=1))
        assert channels.endpoint.tries() == []
        assert [channel for _, channel, *_ in channels.attempts()].count("WEBHOOK") == 2
        assert len(channels.delivery.mail) == 4

    def test_a_tenant_without_one_is_told_by_the_next_channel(self, channels: Channels) -> None:
        channels.due("WEBHOOK", "EMAIL")
        channels.delivery.send(OPENS)
        assert channels.attempts() == [(1, "EMAIL", "sendgrid", "ACCEPTED", None)]

    def test_without_its_secret_it_waits_for_an_operator(self, channels: Channels) -> None:
        tenant = channels.due("WEBHOOK")
        channels.delivery.register.execute(
            "INSERT INTO tenant_webhooks (tenant_id, url, updated_at) VALUES (:tenant, :url, now())",
            tenant=tenant,
            url=channels.endpoint.url,
        )
        channels.delivery.send(OPENS)
        assert channels.attempts() == [
            (1, "WEBHOOK", "tenant-webhook", "RETRY_SAFE", "tenant-webhook:no-secret")
        ]
        assert channels.delivery.statuses() == {"PENDING": 1}

    @pytest.mark.parametrize(
        "text", [SECRET, json.dumps([SECRET]), json.dumps({"keys": SECRET}), json.dumps({"key": SECRET})]
    )
    def test_a_secret_put_there_by_hand_as_it_must_not_be_keeps_nobody_else_waiting(
        self, channels: Channels, text: str
    ) -> None:
        channels.has_webhook(channels.due("WEBHOOK", slug="well"))
        tenant = channels.due("WEBHOOK", slug="odd")
        channels.has_webhook(tenant)
        name = f"nolapse-local/webhooks/{tenant}"
        boto3.client("secretsmanager").put_secret_value(SecretId=name, SecretString=text)

        channels.delivery.send(OPENS)

        assert sorted(channels.attempts()) == [
            (1, "WEBHOOK", "tenant-webhook", "ACCEPTED", None),
            (1, "WEBHOOK", "tenant-webhook", "RETRY_SAFE", "tenant-webhook:bad-secret"),
        ]
        boto3.client("secretsmanager").put_secret_value(
            SecretId=name, SecretString=json.dumps({"keys": [SECRET]})
        )
        channels.delivery.send(OPENS + 6 * MINUTE)
        assert channels.delivery.statuses() == {"SENT": 2}

    def test_one_tenant_s_outage_is_not_another_s(self, channels: Channels) -> None:
        down = channels.due("WEBHOOK", people=6, slug="down")
        channels.has_webhook(down, "http://127.0.0.1:1/nolapse")
        channels.delivery.send(OPENS)
        assert channels.delivery.register.rows("SELECT provider, state FROM provider_circuit") == [
            ("tenant-webhook:down", "OPEN")
        ]

        channels.has_webhook(channels.due("WEBHOOK", slug="well"))
        counts = channels.delivery.scan(OPENS + MINUTE / 2)
        channels.delivery.dispatch()

        assert len(channels.endpoint.messages()) == 1
        # What is out of reach is the tenant's own, and nobody else's to read.
        assert (counts["circuits_open"], counts["tenant_circuits_open"]) == (0, 1)
        health = channels.delivery.running.functions.invoke(
            "ApiFunction", json.loads(Path("events/api_health.json").read_text())
        )
        assert "down" not in health["body"]


class TestHours:
    def at(self, channels: Channels, opens: str, closes: str, state: str, *ways: str) -> None:
        """A window of Monday, 26 October, on the wall of New York."""
        channels.delivery.register.execute(
            "UPDATE policy_version SET opens = CAST(:opens AS time), closes = CAST(:closes AS time)",
            opens=opens,
            closes=closes,
        )
        channels.due(*ways)
        channels.reachable(phone=NUMBER, whatsapp=NUMBER)
        channels.delivery.register.execute("UPDATE licenses SET state = :state", state=state)

    @pytest.mark.parametrize("way", ["SMS", "WHATSAPP"])
    @pytest.mark.parametrize(("state", "hours"), [("NY", 0), ("TX", 1), ("KY", 2)])
    def test_it_is_put_off_within_its_window_to_the_law_s_hour(
        self, channels: Channels, way: str, state: str, hours: int
    ) -> None:
        self.at(channels, "06:00", "12:00", state, way, "EMAIL")
        channels.delivery.send(OPENS - HOUR)
        assert (channels.texts, channels.attempts()) == ([], [])
        channels.delivery.send(OPENS + hours * HOUR - MINUTE)
        assert channels.texts == []
        channels.delivery.send(OPENS + hours * HOUR)
        assert (len(channels.texts), channels.delivery.mail) == (1, [])

    def test_a_window_without_a_legal_hour_goes_by_the_next_way(self, channels: Channels) -> None:
        self.at(channels, "05:00", "09:00", "KY", "SMS", "EMAIL")
        channels.delivery.send(OPENS)
        assert (channels.texts, len(channels.delivery.mail)) == ([], 1)

    def test_or_becomes_late_where_there_is_no_other(self, channels: Channels) -> None:
        self.at(channels, "05:00", "09:00", "KY", "SMS")
        channels.delivery.send(OPENS)
        assert channels.delivery.statuses() == {"PENDING": 1}
        channels.delivery.send_late(OPENS + HOUR)
        assert channels.texts == []
        channels.delivery.send(OPENS + 2 * HOUR)
        assert [text.received_at for text in channels.texts] == [OPENS + 2 * HOUR]

    def test_a_law_of_any_state_in_which_one_holds_a_licence(self, channels: Channels) -> None:
        self.at(channels, "06:00", "12:00", "NY", "SMS")
        ((tenant, ada),) = channels.delivery.register.rows("SELECT tenant_id, clinician_id FROM clinicians")
        channels.delivery.register.license(tenant, ada, None, number="KY-1", state="Kentucky")
        channels.delivery.send(OPENS)
        assert channels.texts == []
        channels.delivery.send(OPENS + 2 * HOUR)
        assert len(channels.texts) == 1


class TestPaceOfATenant:
    def test_its_limit_holds_over_all_its_people_and_lets_others_pass(self, channels: Channels) -> None:
        delivery = channels.delivery
        channels.due("EMAIL", people=5)
        channels.due("EMAIL", people=2, slug="another")
        for minute, sent, paced in ((0, 4, 3), (1, 6, 1), (2, 7, 0)):
            now = OPENS + minute * MINUTE
            delivery.scan(now)
            made = runtime()
            rules = replace(made.dispatch_rules, per_tenant_minute=2)
            batch = delivery.opened(delivery.receive())
            counts = dispatch(made.engine, made.outlets, made.sender, rules, batch=batch, now=now)
            assert (len(delivery.mail), counts["paced"], counts["paced_by_tenant"]) == (sent, paced, paced)
        assert delivery.statuses() == {"SENT": 7}
        assert max(delivery.keys_sent().values()) == 1

    def test_each_that_is_held_back_is_audited_and_waits_for_the_next_slot(self, channels: Channels) -> None:
        delivery = channels.delivery
        channels.due("EMAIL", people=3)
        delivery.scan(OPENS)
        made = runtime()
        rules = replace(made.dispatch_rules, per_tenant_minute=1)
        batch = delivery.opened(delivery.receive())
        dispatch(made.engine, made.outlets, made.sender, rules, batch=batch, now=OPENS)

        assert delivery.register.rows(
            "SELECT count(*), min(reason) FROM audit_log WHERE (from_status, to_status) = ('QUEUED', 'PENDING')"
        ) == [(2, "paced: tenant")]
        assert delivery.register.rows(
            "SELECT DISTINCT next_attempt_at, attempt_count, send_by FROM notification_schedule"
            " WHERE reason = 'paced: tenant'"
        ) == [(OPENS + MINUTE, 0, CLOSES)]

    def test_what_one_person_s_limit_holds_back_takes_no_room_from_others(self, channels: Channels) -> None:
        delivery = channels.delivery
        tenant = channels.due("EMAIL", people=2)
        ada = delivery.register.rows("SELECT clinician_id FROM clinicians ORDER BY external_id")[0][0]
        for number in range(3):
            delivery.register.execute(
                "INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)"
                " VALUES (:tenant, :ada, 'RN', 'NY', :number, '2026-11-25')",
                tenant=tenant,
                ada=ada,
                number=f"X-{number}",
            )
        delivery.register.plan()
        delivery.scan(OPENS)
        made = runtime()
        rules = replace(made.dispatch_rules, per_tenant_minute=2, per_person_day=1)
        batch = delivery.opened(delivery.receive())
        dispatch(made.engine, made.outlets, made.sender, rules, batch=batch, now=OPENS)
        assert sorted(mail.to for mail in delivery.mail) == ["ada1@clinic.test", "ada2@clinic.test"]
