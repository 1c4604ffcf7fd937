"""The nightly run: no drift where all is well, drift found and healed where it is not, and the horizon moved on."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.integration.conftest import NOW
from tests.integration.delivery.conftest import CLOSES, OPENS, Delivery

NIGHT = datetime(2026, 10, 27, tzinfo=UTC)
HORIZON = """
SELECT CAST(counts ->> 'horizon' AS timestamptz) FROM scheduler_heartbeat
WHERE function = 'reconcile' AND finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
"""


def reconcile(delivery: Delivery, at: datetime) -> dict[str, object]:
    return delivery.invoke("ReconcileFunction", at)


def test_a_healthy_base_has_no_drift(delivery: Delivery) -> None:
    delivery.due(20)
    assert reconcile(delivery, NOW)["drift"] == 0
    delivery.send(OPENS)

    counts = reconcile(delivery, NIGHT)

    assert counts.pop("horizon")
    assert counts.pop("audit_end")
    assert counts == {"drift": 0, "unhealed": 0}
    assert delivery.statuses() == {"SENT": 20}


def test_late_and_dropped_rows_are_no_drift(delivery: Delivery) -> None:
    delivery.due(2)
    reconcile(delivery, NOW)
    delivery.catch_up(CLOSES)
    reconcile(delivery, NIGHT)
    delivery.catch_up(NIGHT + timedelta(days=20))

    assert reconcile(delivery, NIGHT + timedelta(days=20))["drift"] == 0
    assert delivery.statuses() == {"SUPPRESSED": 2}


def test_what_was_put_off_is_no_drift(delivery: Delivery) -> None:
    delivery.due(2)
    reconcile(delivery, NOW)
    again = OPENS + timedelta(minutes=10)
    delivery.register.execute(
        "INSERT INTO provider_circuit (provider, state, retry_at, changed_at) VALUES ('sendgrid', 'OPEN', :at, :now)",
        at=again, now=OPENS,
    )  # fmt: skip
    delivery.send(OPENS)

    assert reconcile(delivery, OPENS + timedelta(minutes=1))["drift"] == 0
    assert delivery.register.rows(
        "SELECT DISTINCT status, next_attempt_at FROM notification_schedule WHERE event = 'SECONDARY'"
    ) == [("PENDING", again)]


def test_the_horizon_moves_on_and_what_it_brings_is_no_drift(delivery: Delivery) -> None:
    tenant = delivery.register.tenant()
    # 13 months ahead of 26 October 2026 ends on 25 November 2027; its first reminder falls on the day after.
    delivery.register.license(tenant, delivery.register.clinician(tenant), date(2028, 2, 25))
    counts = reconcile(delivery, NOW)
    assert (counts["drift"], counts["horizon"]) == (0, delivery.register.rows(HORIZON)[0][0].isoformat())
    ((before,),) = delivery.register.rows(HORIZON)

    counts = reconcile(delivery, NOW + timedelta(days=3))

    ((after,),) = delivery.register.rows(HORIZON)
    assert after - before == timedelta(days=3)
    assert (counts["inserted_pending"], counts["drift"]) == (1, 0)


@pytest.mark.parametrize(
    ("damage", "healed"),
    [
        ("DELETE FROM notification_schedule", "inserted_pending"),
        ("UPDATE notification_schedule SET send_by = send_by + interval '1 hour'", "restored_pending"),
        (
            "UPDATE notification_schedule SET status = 'CANCELLED', reason = 'by mistake', send_by = NULL",
            "revived_pending",
        ),
    ],
)
def test_drift_is_found_healed_and_gone(delivery: Delivery, damage: str, healed: str) -> None:
    delivery.due(3)
    reconcile(delivery, NOW)
    delivery.register.execute(f"{damage} WHERE event = 'PAST_DUE'")

    counts = reconcile(delivery, NIGHT)

    assert (counts[healed], counts["drift"]) == (3, 3)
    assert reconcile(delivery, NIGHT + timedelta(days=1))["drift"] == 0


def test_a_row_that_nothing_calls_for_is_drift_and_cancelled(delivery: Delivery) -> None:
    delivery.due()
    reconcile(delivery, NOW)
    # Moved behind the planner's back.
    delivery.register.execute("UPDATE licenses SET expires_on = expires_on + 365")

    counts = reconcile(delivery, NIGHT)

    assert counts["cancelled_cancelled"] == 2
    assert delivery.statuses()["CANCELLED"] == 1


def test_a_new_rule_of_a_zone_moves_what_waits(delivery: Delivery) -> None:
    """A tzdata upgrade is a reload and a reconcile: the instants that moved are drift, and healed."""
    delivery.due()
    reconcile(delivery, NOW)
    delivery.register.execute(
        "UPDATE zone_offset SET utc_offset = utc_offset + interval '1 hour'"
        " WHERE zone = 'America/New_York' AND local_from <= '2026-12-02' AND local_until > '2026-12-02'"
    )

    counts = reconcile(delivery, NIGHT - timedelta(hours=20))

    assert counts["drift"] > 0
    assert delivery.register.rows(
        "SELECT scheduled_at FROM notification_schedule WHERE event = 'PAST_DUE' AND status = 'PENDING'"
    ) == [(datetime(2026, 12, 2, 12, tzinfo=UTC),)]


def test_a_row_lost_after_it_was_sent_is_not_sent_again(delivery: Delivery) -> None:
    delivery.due()
    reconcile(delivery, NOW)
    delivery.send(OPENS)
    delivery.register.execute("DELETE FROM notification_schedule WHERE event = 'SECONDARY'")

    assert reconcile(delivery, CLOSES)["drift"] == 1
    delivery.send_late(CLOSES + timedelta(hours=1))

    assert delivery.statuses() == {"SENT": 1}
    assert len(delivery.mail) == 1
