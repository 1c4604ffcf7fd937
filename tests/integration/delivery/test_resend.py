"""What a human sends again: what did not reach anybody, once, by the rules that hold for everything that is late."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from local.doubles import faults
from nolapse.delivery.flags import FileStore, Flags
from nolapse.delivery.hold_back import hold_back
from nolapse.delivery.resend import Unsent, Wanted, find_unsent, send_again
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement
from tests.integration.conftest import NOW
from tests.integration.delivery.conftest import CLOSES, OPENS, TO_BOB, Delivery

LOOKBACK = timedelta(days=14)
REFUSED = faults.answer(401)
BAD_ADDRESS = faults.answer(400)
NIGHT = datetime.fromisoformat("2026-10-27T00:00Z")

ANSWER = """
INSERT INTO acknowledgements
  (tenant_id, clinician_id, license_id, idempotency_key, scheduled_at, at, occurrence, answer, via)
SELECT
  tenant_id, clinician_id, license_id, idempotency_key, scheduled_at, clock_timestamp(), occurrence, :answer, 'LINK'
FROM notification_schedule WHERE event = 'SECONDARY'
"""


def answered(delivery: Delivery, answer: str) -> None:
    with delivery.register.database.owner.begin() as connection:
        connection.execute(text(ANSWER), {"answer": answer})


def deferred(delivery: Delivery, *answers: faults.Fault, slugs: tuple[str, ...] = ("clinic",)) -> None:
    """As many people of each tenant as answers, until all are given up: what is refused as ours has its retries."""
    for slug in slugs:
        delivery.due(len(answers), slug)
    delivery.faults.inject(*answers * len(slugs))
    delivery.send(OPENS)
    for minutes in (2, 10, 50):
        delivery.faults.inject(*[REFUSED] * answers.count(REFUSED) * len(slugs))
        # An open circuit would spare some of them a retry.
        delivery.register.execute(
            "UPDATE provider_circuit SET state = 'CLOSED', failures = 0, retry_at = NULL"
        )
        delivery.send(OPENS + timedelta(minutes=minutes))
    assert delivery.statuses() == {"DEFERRED": len(answers) * len(slugs)}


def unsent(delivery: Delivery, **asked: Any) -> list[Unsent]:
    now = delivery.clock.now()
    with delivery.register.database.engine.connect() as connection:
        return find_unsent(connection, Wanted(since=now - LOOKBACK, **asked), now=now)


def again(delivery: Delivery, found: list[Unsent]) -> dict[str, int]:
    return send_again(
        delivery.register.database.engine, found, who="grace", now=delivery.clock.now(), per_second=1000
    )


def test_who_says_that_it_is_renewed_is_not_told_that_it_expires(delivery: Delivery) -> None:
    deferred(delivery, REFUSED)
    answered(delivery, "RENEWED")
    assert unsent(delivery) == []

    answered(delivery, "NOT_MINE")

    assert len(unsent(delivery)) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE clinicians SET status = 'LEFT'",
        "UPDATE licenses SET status = 'ENDED'",
        "UPDATE licenses SET expires_on = expires_on + 365",
        TO_BOB,
        "UPDATE notification_outbox SET outcome = 'UNPROVEN'",
    ],
)
def test_what_no_longer_holds_is_not_found(delivery: Delivery, change: str) -> None:
    deferred(delivery, REFUSED)
    assert len(unsent(delivery)) == 1

    delivery.register.execute(change)

    assert unsent(delivery) == []


def test_what_a_fault_of_the_account_refused_is_found_and_what_its_address_refused_is_not(
    delivery: Delivery,
) -> None:
    deferred(delivery, REFUSED, BAD_ADDRESS, faults.answer(413))

    assert [(each.tenant, each.event, each.reason) for each in unsent(delivery)] == [
        ("clinic", "SECONDARY", "retries spent: sendgrid:401")
    ]


def test_what_could_not_be_said_is_found(delivery: Delivery) -> None:
    delivery.due()
    delivery.register.execute("UPDATE licenses SET license_type = ' '")
    delivery.send(OPENS)
    assert delivery.statuses() == {"DEFERRED": 1}
    delivery.register.execute("UPDATE licenses SET license_type = 'RN'")

    again(delivery, unsent(delivery))
    delivery.send(OPENS + timedelta(minutes=1))

    assert delivery.statuses() == {"SENT": 1}


def test_a_human_may_name_what_would_not_be_tried_by_itself(delivery: Delivery) -> None:
    deferred(delivery, REFUSED, BAD_ADDRESS)

    assert [each.reason for each in unsent(delivery, reason="rejected: sendgrid:400")] == [
        "rejected: sendgrid:400"
    ]


def test_one_tenant_or_one_event(delivery: Delivery) -> None:
    deferred(delivery, REFUSED, slugs=("clinic", "another"))

    assert len(unsent(delivery)) == 2
    assert [each.tenant for each in unsent(delivery, tenant="another")] == ["another"]
    assert unsent(delivery, event="PRIMARY") == []


def test_within_its_window_it_is_sent_in_time(delivery: Delivery) -> None:
    delivery.invoke("ReconcileFunction", NOW)
    deferred(delivery, REFUSED)
    delivery.clock.move_to(OPENS + timedelta(hours=1))

    assert again(delivery, unsent(delivery)) == {"PENDING": 1}
    assert delivery.invoke("ReconcileFunction")["drift"] == 0
    delivery.send()

    assert delivery.statuses() == {"SENT": 1}
    assert "re-confirming" not in delivery.mail[0].text
    assert delivery.attempts()[3:] == [(4, "RETRY_SAFE", "sendgrid:401"), (5, "ACCEPTED", None)]


def test_after_its_window_it_is_sent_late_by_day_and_one_at_a_time(delivery: Delivery) -> None:
    deferred(delivery, REFUSED, REFUSED)
    delivery.register.execute(
        "UPDATE notification_schedule SET clinician_id = (SELECT min(clinician_id::text)::uuid FROM clinicians)"
    )
    delivery.register.execute(
        "UPDATE licenses SET clinician_id = (SELECT min(clinician_id::text)::uuid FROM clinicians)"
    )
    delivery.clock.move_to(CLOSES + timedelta(hours=10))

    assert again(delivery, unsent(delivery)) == {"LATE_PENDING": 2}
    delivery.send_late(CLOSES + timedelta(hours=10))
    assert delivery.mail == []  # it is 22:00 in New York

    delivery.send_late(CLOSES + timedelta(hours=21))
    assert len(delivery.mail) == 1
    delivery.send_late(CLOSES + timedelta(hours=22))
    assert len(delivery.mail) == 1
    delivery.send_late(CLOSES + timedelta(hours=26))
    assert sorted(delivery.keys_sent().values()) == [1, 1]


def test_the_same_again_sends_nothing_twice(delivery: Delivery) -> None:
    deferred(delivery, REFUSED)
    delivery.clock.move_to(OPENS + timedelta(hours=1))
    found = unsent(delivery)

    assert again(delivery, found) == {"PENDING": 1}
    assert again(delivery, found) == {}
    delivery.send()
    assert again(delivery, found) == {}
    assert unsent(delivery) == []
    assert len(delivery.mail) == 1


@pytest.mark.parametrize("outcome", ["ACCEPTED", "UNKNOWN"])
def test_never_what_left_or_may_have_left(delivery: Delivery, outcome: str) -> None:
    deferred(delivery, REFUSED)
    found = unsent(delivery)
    assert len(found) == 1
    delivery.register.execute(
        "UPDATE notification_outbox SET outcome = :outcome,"
        " provider_message_id = CASE WHEN :outcome = 'ACCEPTED' THEN 'one' END"
        " WHERE attempt_number = 4",
        outcome=outcome,
    )

    assert unsent(delivery) == []
    assert again(delivery, found) == {}
    assert delivery.statuses() == {"DEFERRED": 1}


def test_what_is_older_than_the_lookback_stays(delivery: Delivery) -> None:
    deferred(delivery, REFUSED)
    delivery.clock.move_to(CLOSES + LOOKBACK)

    assert unsent(delivery) == []


def test_the_audit_says_who_sent_it_again(delivery: Delivery) -> None:
    deferred(delivery, REFUSED)
    delivery.clock.move_to(CLOSES + timedelta(hours=1))
    again(delivery, unsent(delivery))

    assert delivery.register.rows(
        "SELECT actor, from_status, to_status, reason FROM audit_log ORDER BY seq DESC LIMIT 1"
    ) == [("grace", "DEFERRED", "LATE_PENDING", "sent again by hand")]


class TestFlags:
    """As scan asks them: in the transaction that claims, before anything is put on a queue."""

    def claim(self, delivery: Delivery, flags: dict[str, Any], tmp_path: Path) -> int:
        path = tmp_path / "flags.json"
        path.write_text(json.dumps(flags))
        failures: list[str] = []
        store = Flags(FileStore(path), failures.append)
        now = delivery.clock.now()
        with transaction(delivery.register.database.engine, "scan") as connection:
            rows = connection.execute(statement("claim_due"), {"now": now, "limit": 100}).all()
            claims = [(bytes(row.idempotency_key), row.scheduled_at) for row in rows]
            held = hold_back(connection, store, claims, now=now)
        assert failures == []
        return len(held)

    def for_tenant(self, slug: str, said: Any) -> dict[str, Any]:
        return {
            "default": "SEND",
            "boolean_type": False,
            "rules": {
                "pilot": {
                    "when_match": said,
                    "conditions": [{"action": "EQUALS", "key": "tenant", "value": slug}],
                }
            },
        }

    def test_what_a_flag_holds_back_is_suppressed_with_its_name(
        self, delivery: Delivery, tmp_path: Path
    ) -> None:
        delivery.due(3)
        delivery.due(2, "another")
        delivery.clock.move_to(OPENS)

        held = self.claim(delivery, {"pilot-first": self.for_tenant("another", "HOLD_BACK")}, tmp_path)

        assert held == 2
        assert delivery.statuses() == {"QUEUED": 3, "SUPPRESSED": 2}
        assert delivery.register.rows(
            "SELECT DISTINCT slug, reason FROM notification_schedule JOIN tenants USING (tenant_id)"
            " WHERE status = 'SUPPRESSED' AND event = 'SECONDARY'"
        ) == [("another", "flag: pilot-first")]

    def test_ops_only_says_so(self, delivery: Delivery, tmp_path: Path) -> None:
        delivery.due()
        delivery.clock.move_to(OPENS)

        self.claim(delivery, {"rehearsal": self.for_tenant("clinic", "OPS_ONLY")}, tmp_path)

        assert [each.reason for each in unsent(delivery, reason="flag")] == ["flag: rehearsal, ops only"]

    def test_what_it_held_back_is_released_and_sent(self, delivery: Delivery, tmp_path: Path) -> None:
        delivery.invoke("ReconcileFunction", NOW)
        delivery.due()
        delivery.clock.move_to(OPENS)
        self.claim(delivery, {"pilot-first": self.for_tenant("clinic", "HOLD_BACK")}, tmp_path)
        delivery.invoke("ReconcileFunction", OPENS + timedelta(minutes=30))
        assert delivery.statuses() == {"SUPPRESSED": 1}

        assert again(delivery, unsent(delivery, reason="flag")) == {"PENDING": 1}
        delivery.send(OPENS + timedelta(hours=1))

        assert delivery.statuses() == {"SENT": 1}
        assert delivery.invoke("ReconcileFunction", NIGHT)["unhealed"] == 0

    def test_what_another_reason_suppressed_is_never_released(self, delivery: Delivery) -> None:
        delivery.due()
        delivery.clock.move_to(OPENS)
        delivery.register.execute(
            "UPDATE notification_schedule SET status = 'SUPPRESSED', reason = 'unsubscribed', send_by = NULL"
            " WHERE event = 'SECONDARY'"
        )

        assert unsent(delivery, reason="unsub") == unsent(delivery) == []

    def test_nothing_held_back_costs_no_change(self, delivery: Delivery, tmp_path: Path) -> None:
        delivery.due(3)
        delivery.clock.move_to(OPENS)

        assert self.claim(delivery, {}, tmp_path) == 0
        assert delivery.statuses() == {"QUEUED": 3}
