"""The set-based planner: what it inserts, moves, cancels, revives and restores, and what it leaves alone."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.integration.conftest import NOW, Register


def test_a_licence_far_ahead_gets_its_three_reminders(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 6, 30))

    report = register.plan()

    assert report.counts == {"inserted_pending": 3}
    assert register.rows(
        "SELECT event, scheduled_at, window_end, next_attempt_at = scheduled_at AND send_by = window_end"
        " FROM notification_schedule ORDER BY scheduled_at"
    ) == [
        ("PRIMARY", datetime(2027, 4, 1, 12, tzinfo=UTC), datetime(2027, 4, 1, 16, tzinfo=UTC), True),
        ("SECONDARY", datetime(2027, 5, 31, 12, tzinfo=UTC), datetime(2027, 5, 31, 16, tzinfo=UTC), True),
        ("PAST_DUE", datetime(2027, 7, 7, 12, tzinfo=UTC), datetime(2027, 7, 7, 16, tzinfo=UTC), True),
    ]


def test_a_window_across_the_change_of_clocks_follows_the_wall_clock(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2026, 12, 1))

    register.plan()

    # Nov 1 2026: New York falls back at 02:00; 08:00 is then 13:00 UTC and no longer 12:00.
    assert register.rows("SELECT scheduled_at FROM notification_schedule WHERE event = 'SECONDARY'") == [
        (datetime(2026, 11, 1, 13, tzinfo=UTC),)
    ]


def test_planning_again_changes_nothing(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2026, 12, 1))
    register.plan()

    assert register.plan().counts == {}


def test_old_windows_become_late_or_dropped_with_a_reason(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2026, 11, 15))

    register.plan()

    assert register.rows(
        "SELECT event, status, late, reason FROM notification_schedule ORDER BY scheduled_at"
    ) == [
        ("PRIMARY", "SUPPRESSED", False, "window closed before the lookback"),
        ("SECONDARY", "LATE_PENDING", True, None),
        ("PAST_DUE", "PENDING", False, None),
    ]


def test_rows_are_stored_up_to_the_horizon_and_not_beyond(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2028, 2, 1))

    assert register.plan().counts == {"inserted_pending": 1}
    later = register.plan(NOW + timedelta(days=90), promised=NOW + timedelta(days=390))
    assert later.counts == {"inserted_pending": 2}
    assert later.drift == 0


def test_a_moved_date_cancels_and_a_date_moved_back_revives(register: Register) -> None:
    tenant = register.tenant()
    clinician = register.clinician(tenant)
    register.license(tenant, clinician, date(2027, 6, 30))
    register.plan()

    register.execute("UPDATE licenses SET expires_on = '2027-09-30'")
    assert register.plan(clinician_ids=[clinician]).counts == {
        "cancelled_cancelled": 3,
        "inserted_pending": 3,
    }
    assert register.rows("SELECT DISTINCT reason FROM notification_schedule WHERE status = 'CANCELLED'") == [
        ("date moved",)
    ]

    register.execute("UPDATE licenses SET expires_on = '2027-06-30'")
    assert register.plan(clinician_ids=[clinician]).counts == {"cancelled_cancelled": 3, "revived_pending": 3}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE licenses SET status = 'ENDED'", "licence ended"),
        ("UPDATE licenses SET expires_on = NULL", "date moved"),
    ],
)
def test_what_is_no_longer_called_for_is_cancelled(register: Register, change: str, reason: str) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 6, 30))
    register.plan()

    register.execute(change)

    assert register.plan().counts == {"cancelled_cancelled": 3}
    assert register.rows("SELECT DISTINCT reason FROM notification_schedule") == [(reason,)]


def test_a_zone_change_moves_what_waits_and_never_repeats_what_was_sent(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 1, 20))
    register.plan()
    for status in ("QUEUED", "SENDING", "SENT"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :now, updated_at = :now"
            " WHERE event = 'PRIMARY'",
            status=status,
            now=NOW,
        )

    register.execute("UPDATE clinicians SET timezone = 'America/Los_Angeles'")

    assert register.plan().counts == {"cancelled_cancelled": 2, "inserted_pending": 2}
    assert register.rows(
        "SELECT event, status FROM notification_schedule WHERE status <> 'CANCELLED' ORDER BY scheduled_at"
    ) == [
        ("PRIMARY", "SENT"),
        ("SECONDARY", "PENDING"),
        ("PAST_DUE", "PENDING"),
    ]


def test_the_most_specific_policy_wins(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 6, 30))
    for license_type, state, days in (
        (None, "NY", -10),
        ("RN", None, -20),
        ("RN", "NY", -40),
        ("MD", "NY", -50),
    ):
        register.execute(
            """WITH made AS (
                 INSERT INTO renewal_policies (tenant_id, license_type, state, name)
                 VALUES (:tenant, :license_type, :state, 'x') RETURNING policy_id)
               INSERT INTO policy_version (policy_id, version, tenant_id, status, steps)
               SELECT policy_id, 1, :tenant, 'ACTIVE', jsonb_build_array(jsonb_build_object(
                 'event', 'PRIMARY', 'template', 'primary', 'days', CAST(:days AS integer),
                 'channels', '["EMAIL"]'::jsonb, 'recipients', '["HOLDER"]'::jsonb))
               FROM made""",
            tenant=tenant,
            license_type=license_type,
            state=state,
            days=days,
        )

    register.plan()

    assert register.rows("SELECT occasion_date - CAST(scheduled_at AS date) FROM notification_schedule") == [
        (40,)
    ]


def test_a_scope_touches_nothing_else(register: Register) -> None:
    mine, other = register.tenant("mine"), register.tenant("other")
    for tenant in (mine, other):
        register.license(tenant, register.clinician(tenant), date(2027, 6, 30))

    assert register.plan(tenant_id=mine).counts == {"inserted_pending": 3}
    assert register.rows("SELECT DISTINCT tenant_id FROM notification_schedule") == [(mine,)]


def test_lost_and_distorted_rows_are_healed_and_counted_as_drift(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 6, 30))
    register.plan()
    register.execute("DELETE FROM notification_schedule WHERE event = 'PRIMARY'")
    register.execute(
        "UPDATE notification_schedule SET send_by = send_by + interval '3 hours',"
        " window_end = window_end + interval '3 hours' WHERE event = 'SECONDARY'"
    )

    report = register.plan(promised=NOW + timedelta(days=390))

    assert report.counts == {"inserted_pending": 1, "restored_pending": 1}
    assert report.drift == 2
    assert register.plan(promised=NOW + timedelta(days=390)).drift == 0


@pytest.mark.parametrize(
    ("began", "delivered_at", "came_back"),
    [
        ("scheduled_at", "NULL", ("SENT", False)),
        ("scheduled_at", "window_end", ("DELIVERED", False)),
        ("window_end", "NULL", ("SENT", True)),
    ],
)
def test_a_row_lost_after_its_message_left_comes_back_as_what_its_attempt_proves(
    register: Register, began: str, delivered_at: str, came_back: tuple[str, bool]
) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 1, 20))
    register.plan()
    register.execute(
        f"""INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
             lease_until, finished_at, channel, provider, recipient, template, outcome, provider_message_id,
             delivered_at)
           SELECT idempotency_key, tenant_id, 1, scheduled_at, {began}, window_end + interval '1 minute', window_end,
             'EMAIL', 'sendgrid', 'ada@clinic.test', template, 'ACCEPTED', 'm-1', {delivered_at}
           FROM notification_schedule WHERE event = 'PRIMARY'"""  # noqa: S608
    )
    register.execute("DELETE FROM notification_schedule")

    register.plan(NOW + timedelta(days=1))

    assert register.rows("SELECT status, late FROM notification_schedule WHERE event = 'PRIMARY'") == [
        came_back
    ]
    assert register.statuses() == {"PRIMARY": came_back[0], "SECONDARY": "PENDING", "PAST_DUE": "PENDING"}


def test_a_planning_run_is_audited_once_per_tenant(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 6, 30))

    register.plan()

    assert register.rows("SELECT tenant_id, action, subject, reason FROM audit_log") == [
        (tenant, "schedule.planned", f"tenant:{tenant}", "inserted PENDING 3")
    ]
