"""What a human decides about a held notification, and that nothing undoes it afterwards."""

from datetime import datetime, timedelta

import pytest

from local.doubles import faults
from nolapse.delivery.holds import (
    Decision,
    Hold,
    HoldRefused,
    NotHeld,
    TooLateToSend,
    WasAccepted,
    list_holds,
    resolve,
)
from nolapse.domain.states import Status
from tests.integration.conftest import NOW
from tests.integration.delivery.conftest import CLOSES, OPENS, Delivery

NIGHT = datetime.fromisoformat("2026-10-27T00:00Z")
LOOKBACK = timedelta(days=14)


def held(delivery: Delivery, licenses: int = 1) -> list[Hold]:
    """Reminders that may have left, and whose provider cannot be asked."""
    delivery.due(licenses)
    delivery.invoke("ReconcileFunction", NOW)
    delivery.faults.inject(*[faults.answer(500)] * licenses)
    delivery.send(OPENS)
    assert delivery.statuses() == {"UNKNOWN": licenses}
    delivery.register.execute(
        "UPDATE notification_schedule SET status = 'HELD', reason = 'the provider cannot be asked',"
        " updated_at = :now WHERE status = 'UNKNOWN'",
        now=OPENS + timedelta(minutes=30),
    )
    return holds(delivery)


def holds(delivery: Delivery) -> list[Hold]:
    with delivery.register.database.engine.connect() as connection:
        return list_holds(connection, now=delivery.clock.now())


def decide(delivery: Delivery, key: bytes, decision: Decision) -> Status:
    now = delivery.clock.now()
    with delivery.register.database.engine.begin() as connection:
        return resolve(connection, key, decision, who="grace", now=now, late_since=now - LOOKBACK)


def attempts(delivery: Delivery) -> list[tuple[object, ...]]:
    return delivery.register.rows(
        "SELECT attempt_number, outcome, code FROM notification_outbox ORDER BY attempt_number"
    )


def test_the_list_says_what_it_is_about_by_ids_and_event(delivery: Delivery) -> None:
    (hold,) = held(delivery)

    assert (hold.tenant, hold.event, hold.occasion) == ("clinic", "SECONDARY", "LICENSE_EXPIRY")
    assert (hold.why, hold.since) == ("the provider cannot be asked", OPENS + timedelta(minutes=30))
    assert [attempt.split()[:2] for attempt in hold.attempts] == [["sendgrid", "UNKNOWN"]]
    assert delivery.register.rows("SELECT clinician_id, license_id FROM licenses") == [
        (hold.clinician_id, hold.subject_id)
    ]


def test_the_list_of_one_tenant(delivery: Delivery) -> None:
    held(delivery)
    with delivery.register.database.engine.connect() as connection:
        assert list_holds(connection, now=OPENS, tenant="another") == []
        assert len(list_holds(connection, now=OPENS, tenant="clinic")) == 1


@pytest.mark.parametrize(
    ("decision", "status"), [(Decision.SENT, Status.SENT), (Decision.DROP, Status.CANCELLED)]
)
def test_a_closed_case_stays_closed(delivery: Delivery, decision: Decision, status: Status) -> None:
    (hold,) = held(delivery)

    assert decide(delivery, hold.key, decision) is status

    for night in range(3):
        assert delivery.invoke("ReconcileFunction", NIGHT + timedelta(days=night))["unhealed"] == 0
        delivery.send_late(NIGHT + timedelta(days=night, hours=14))
    assert delivery.statuses() == {status: 1}
    assert delivery.mail == []
    assert holds(delivery) == []


def test_what_is_dropped_is_not_revived_by_planning(delivery: Delivery) -> None:
    (hold,) = held(delivery)
    decide(delivery, hold.key, Decision.DROP)

    delivery.register.plan(OPENS + timedelta(hours=1))

    assert delivery.statuses() == {"CANCELLED": 1}


@pytest.mark.parametrize(
    ("at", "status"),
    [(OPENS + timedelta(hours=1), Status.PENDING), (CLOSES + timedelta(hours=1), Status.LATE_PENDING)],
)
def test_what_did_not_leave_is_sent_again_once(delivery: Delivery, at: datetime, status: Status) -> None:
    (hold,) = held(delivery)
    delivery.clock.move_to(at)

    assert decide(delivery, hold.key, Decision.SEND_AGAIN) is status

    assert delivery.invoke("ReconcileFunction")["drift"] == 0
    assert delivery.statuses() == {status: 1}
    delivery.send_late(at + timedelta(minutes=5))
    assert delivery.statuses() == {"SENT": 1}
    assert [email.key for email in delivery.mail] == [hold.key.hex()]
    assert attempts(delivery) == [(1, "NOT_FOUND", "settled by hand"), (2, "ACCEPTED", None)]
    assert delivery.invoke("ReconcileFunction", NIGHT)["unhealed"] == 0


def test_sent_is_the_word_of_a_human_and_nobody_is_asked_any_more(delivery: Delivery) -> None:
    (hold,) = held(delivery)
    decide(delivery, hold.key, Decision.SENT)

    assert delivery.register.rows(
        "SELECT outcome, code, provider_message_id = 'by hand: ' || attempt_id FROM notification_outbox"
    ) == [("ACCEPTED", "settled by hand", True)]
    assert (
        delivery.catch_up(OPENS + timedelta(hours=2)).keys() & {"probed_accepted", "probed_unknown"} == set()
    )


def test_a_sent_row_that_is_lost_comes_back_as_sent(delivery: Delivery) -> None:
    (hold,) = held(delivery)
    decide(delivery, hold.key, Decision.SENT)
    delivery.register.execute("DELETE FROM notification_schedule WHERE event = 'SECONDARY'")

    delivery.invoke("ReconcileFunction", NIGHT)

    assert delivery.statuses() == {"SENT": 1}


def test_the_audit_says_who_decided_and_why(delivery: Delivery) -> None:
    (hold,) = held(delivery)
    decide(delivery, hold.key, Decision.DROP)

    assert delivery.register.rows(
        "SELECT actor, from_status, to_status, reason FROM audit_log ORDER BY seq DESC LIMIT 1"
    ) == [("grace", "HELD", "CANCELLED", "settled by hand: not wanted any more")]


@pytest.mark.parametrize("decision", Decision)
def test_only_what_is_held_can_be_resolved(delivery: Delivery, decision: Decision) -> None:
    delivery.due()
    delivery.send(OPENS)
    ((key,),) = delivery.register.rows(
        "SELECT idempotency_key FROM notification_schedule WHERE status = 'SENT'"
    )

    with pytest.raises(NotHeld, match="is SENT: only what is HELD"):
        decide(delivery, key, decision)
    with pytest.raises(NotHeld, match="is not there"):
        decide(delivery, bytes(32), decision)
    assert delivery.statuses() == {"SENT": 1}


@pytest.mark.parametrize("decision", [Decision.SEND_AGAIN, Decision.DROP])
def test_what_a_provider_took_was_sent(delivery: Delivery, decision: Decision) -> None:
    """Held because it was sent twice: nothing can take that back."""
    (hold,) = held(delivery)
    delivery.register.execute(
        "UPDATE notification_outbox SET outcome = 'ACCEPTED', provider_message_id = 'one'"
    )

    with pytest.raises(WasAccepted, match="attempt 1 was accepted, so it can only be SENT"):
        decide(delivery, hold.key, decision)
    assert decide(delivery, hold.key, Decision.SENT) is Status.SENT
    assert delivery.invoke("ReconcileFunction", NIGHT)["unhealed"] == 0


def test_what_is_older_than_the_lookback_cannot_be_sent(delivery: Delivery) -> None:
    (hold,) = held(delivery)
    delivery.clock.move_to(CLOSES + LOOKBACK)

    with pytest.raises(TooLateToSend, match="of no use any more"):
        decide(delivery, hold.key, Decision.SEND_AGAIN)
    assert decide(delivery, hold.key, Decision.DROP) is Status.CANCELLED


def test_a_dose_whose_window_closed_cannot_be_sent(delivery: Delivery) -> None:
    (hold,) = held(delivery)
    delivery.register.execute("UPDATE notification_schedule SET perishable = true WHERE status = 'HELD'")
    delivery.clock.move_to(CLOSES)

    with pytest.raises(HoldRefused):
        decide(delivery, hold.key, Decision.SEND_AGAIN)
    assert [each.key for each in holds(delivery)] == [hold.key]
