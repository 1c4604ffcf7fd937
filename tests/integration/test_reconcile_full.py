"""The nightly reconciliation: silent on a healthy base, and every kind of corruption found, healed or held."""

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from nolapse.planning.findings import Finding, Kind, ReconcileReport
from nolapse.planning.reconcile import reconcile
from nolapse.storage.statements import statement
from tests.integration.conftest import NOW, Register

NIGHT = NOW + timedelta(days=1)
NEXT_NIGHT = NOW + timedelta(days=2)


def night(register: Register, now: datetime, horizon_months: int = 13) -> ReconcileReport:
    """One run as runtime/runs.py records it."""
    with register.database.engine.begin() as connection:
        run_id = connection.scalar(statement("begin_run"), {"function": "reconcile", "now": now})
    report = reconcile(register.database.engine, now=now, horizon_months=horizon_months, lookback_days=14)
    with register.database.engine.begin() as connection:
        connection.execute(
            statement("finish_run"), {"run_id": run_id, "now": now, "counts": json.dumps(report.counts)}
        )
    return report


def corrupt(register: Register, *statements: str, **parameters: Any) -> None:
    """What no role of the product may do: as the owner, with triggers and foreign keys off."""
    with register.database.owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        for sql in statements:
            connection.execute(text(sql), parameters)


def spoil(register: Register, change: str, where: str) -> None:
    corrupt(register, f"UPDATE notification_schedule SET {change} WHERE {where}")  # noqa: S608


def lose(register: Register, where: str) -> None:
    corrupt(register, f"DELETE FROM notification_schedule WHERE {where}")  # noqa: S608


def attempt(register: Register, where: str, outcome: str | None, number: int = 1) -> None:
    """One try with a provider for the notifications `where`, its lease long over."""
    corrupt(
        register,
        f"""INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
             lease_until, finished_at, channel, provider, recipient, template, outcome, provider_message_id)
           SELECT idempotency_key, tenant_id, :number, scheduled_at, :now, CAST(:now AS timestamptz) + interval '2 min',
             CASE WHEN CAST(:outcome AS text) IS NOT NULL THEN CAST(:now AS timestamptz) END, 'EMAIL', 'sendgrid',
             'ada@clinic.test', template, :outcome, CASE WHEN CAST(:outcome AS text) = 'ACCEPTED' THEN 'm-1' END
           FROM notification_schedule WHERE {where}""",  # noqa: S608
        number=number,
        outcome=outcome,
        now=NOW - timedelta(hours=12),
    )


@pytest.fixture
def base(register: Register) -> Register:
    """Two tenants with a licence each and a birthday; one reminder was sent two weeks ago; a first night went by."""
    for slug, expires_on in (("east", date(2027, 6, 30)), ("west", date(2027, 1, 10))):
        tenant = register.tenant(slug)
        clinician = register.clinician(tenant)
        register.license(tenant, clinician, expires_on)
        register.execute(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " VALUES (:tenant, :clinician, 'BIRTHDAY', '1980-03-15')",
            tenant=tenant,
            clinician=clinician,
        )
    register.plan(NOW - timedelta(days=30))
    attempt(register, "event = 'PRIMARY' AND scheduled_at < '2026-11-01'", "ACCEPTED")
    corrupt(
        register,
        "UPDATE notification_schedule SET status = 'SENT', claimed_at = scheduled_at, attempt_count = 1"
        " WHERE event = 'PRIMARY' AND scheduled_at < '2026-11-01'",
    )
    report = night(register, NOW)
    assert (report.drift, report.findings) == (0, ())
    return register


def assert_settled(register: Register) -> None:
    report = night(register, NEXT_NIGHT)
    assert (report.drift, report.findings) == (0, ())


def test_a_healthy_base_stays_as_it_is(base: Register) -> None:
    before = base.rows("SELECT * FROM notification_schedule ORDER BY idempotency_key")

    report = night(base, NIGHT)

    assert (report.drift, report.findings, report.changes) == (0, (), {})
    assert base.rows("SELECT * FROM notification_schedule ORDER BY idempotency_key") == before
    assert (
        base.rows("SELECT reason FROM audit_log WHERE action = 'schedule.reconciled'") == [("drift 0",)] * 2
    )


def test_the_horizon_moves_on_without_a_full_comparison(base: Register) -> None:
    tenant = base.tenant("far")
    base.license(tenant, base.clinician(tenant), date(2028, 2, 26))
    assert night(base, NIGHT).changes == {}

    report = night(base, NIGHT + timedelta(days=2))

    assert (report.drift, report.changes) == (0, {"inserted_pending": 1})


def test_what_was_sent_before_a_zone_changed_is_neither_drift_nor_sent_again(base: Register) -> None:
    base.execute("UPDATE clinicians SET timezone = 'America/Los_Angeles'")
    base.plan(NOW)

    report = night(base, NIGHT)

    assert (report.drift, report.findings, report.changes) == (0, (), {})
    assert base.rows("SELECT count(*) FROM notification_schedule WHERE status = 'SENT'") == [(1,)]


WAITING = "event = 'SECONDARY'"
SENT = "status = 'SENT'"
DROPPED = "reason = 'x', send_by = NULL, next_attempt_at = NULL"
IN_FLIGHT = "claimed_at = scheduled_at, attempt_count = 1"


@pytest.mark.parametrize("where", [WAITING, SENT, "event = 'BIRTHDAY'"])
def test_lost_rows_are_planned_again(base: Register, where: str) -> None:
    before = base.rows("SELECT idempotency_key, status FROM notification_schedule ORDER BY 1")
    lose(base, where)

    report = night(base, NIGHT)

    assert [(each.kind, each.left) for each in report.findings] == [(Kind.MISSING_ROWS, 0)]
    assert report.drift == report.findings[0].healed > 0
    assert base.rows("SELECT idempotency_key, status FROM notification_schedule ORDER BY 1") == before
    assert_settled(base)


@pytest.mark.parametrize(
    ("change", "where", "kind"),
    [
        (f"status = 'CANCELLED', {DROPPED}", WAITING, Kind.WRONGLY_CANCELLED_ROWS),
        ("send_by = send_by + interval '1 hour'", WAITING, Kind.DISTORTED_ROWS),
        ("window_end = window_end + interval '1 hour'", WAITING, Kind.DISTORTED_ROWS),
        ("next_attempt_at = next_attempt_at - interval '1 day'", WAITING, Kind.DISTORTED_ROWS),
        ("event = 'TERTIARY'", WAITING, Kind.DISTORTED_ROWS),
        ("occurrence = '2020'", WAITING, Kind.DISTORTED_ROWS),
        ("channels = '{SMS}'", WAITING, Kind.DISTORTED_ROWS),
        ("template = 'primary'", WAITING, Kind.MISATTRIBUTED_ROWS),
        ("clinician_id = uuidv7()", WAITING, Kind.MISATTRIBUTED_ROWS),
        ("license_id = uuidv7()", SENT, Kind.MISATTRIBUTED_ROWS),
    ],
)
def test_a_spoilt_row_is_put_right(base: Register, change: str, where: str, kind: Kind) -> None:
    columns = (
        "idempotency_key, status, send_by, window_end, next_attempt_at, event, occurrence, channels, template,"
        " clinician_id, license_id"
    )
    before = base.rows(f"SELECT {columns} FROM notification_schedule ORDER BY 1")  # noqa: S608
    spoil(base, change, where)

    report = night(base, NIGHT)

    (finding,) = report.findings
    assert (finding.kind, finding.left) == (kind, 0)
    assert report.drift == finding.found > 0
    assert base.rows(f"SELECT {columns} FROM notification_schedule ORDER BY 1") == before  # noqa: S608
    assert_settled(base)


def test_a_row_called_late_before_its_time_is_put_right(base: Register) -> None:
    spoil(base, "late = true, status = 'LATE_PENDING'", WAITING)

    assert {(each.kind, each.healed) for each in night(base, NIGHT).findings} == {
        (Kind.LATE_TOO_EARLY, 2),
        (Kind.WRONGLY_CANCELLED_ROWS, 2),
    }
    assert set(base.rows(f"SELECT status, late FROM notification_schedule WHERE {WAITING}")) == {  # noqa: S608
        ("PENDING", False)
    }
    assert_settled(base)


def test_dates_moved_behind_the_planner_move_their_rows(base: Register) -> None:
    corrupt(base, "UPDATE licenses SET expires_on = expires_on + 31")

    found = {each.kind: each.left for each in night(base, NIGHT).findings}

    assert found == {Kind.MISSING_ROWS: 0, Kind.UNCALLED_FOR_ROWS: 0}
    assert_settled(base)


def test_a_shifted_row_is_cancelled_and_planned_where_it_belongs(base: Register) -> None:
    spoil(base, "scheduled_at = scheduled_at + interval '45 min'", WAITING)

    report = night(base, NIGHT)

    assert {(each.kind, each.healed) for each in report.findings} == {
        (Kind.MISSING_ROWS, 2),
        (Kind.UNCALLED_FOR_ROWS, 2),
    }
    assert_settled(base)


def test_only_the_tenant_that_differs_is_planned_again(base: Register) -> None:
    lose(base, f"{WAITING} AND tenant_id = (SELECT tenant_id FROM tenants WHERE slug = 'east')")  # noqa: S608

    night(base, NIGHT)

    assert base.rows(
        "SELECT slug FROM audit_log JOIN tenants USING (tenant_id) WHERE action = 'schedule.planned' AND at = :night",
        night=NIGHT,
    ) == [("east",)]


@pytest.mark.parametrize(
    ("change", "outcomes", "expected", "status"),
    [
        (f"status = 'SENT', {IN_FLIGHT}", [], Finding(Kind.SENT_WITHOUT_ATTEMPT, 2, held=2), "HELD"),
        (
            f"status = 'BOUNCED', {IN_FLIGHT}", ["RETRY_SAFE", "REJECTED"],
            Finding(Kind.SENT_WITHOUT_ATTEMPT, 2, held=2), "HELD",
        ),
        (
            f"status = 'SENT', {IN_FLIGHT}", ["ACCEPTED", "ACCEPTED"],
            Finding(Kind.DOUBLE_SENDS, 2, held=2), "HELD",
        ),
        (None, ["ACCEPTED"], Finding(Kind.ACCEPTED_BUT_UNSENT, 2, healed=2), "SENT"),
        (
            f"status = 'SENDING', {IN_FLIGHT}", ["ACCEPTED"],
            Finding(Kind.ACCEPTED_BUT_UNSENT, 2, healed=2), "SENT",
        ),
        (
            f"status = 'CANCELLED', {DROPPED}", ["ACCEPTED"],
            Finding(Kind.ACCEPTED_BUT_UNSENT, 2, healed=2), "SENT",
        ),
        (f"status = 'SUPPRESSED', {DROPPED}", ["ACCEPTED"], Finding(Kind.ACCEPTED_BUT_UNSENT, 2), "SUPPRESSED"),
        (None, ["UNKNOWN"], Finding(Kind.ATTEMPTED_BUT_WAITING, 2, healed=2), "UNKNOWN"),
        (
            "status = 'QUEUED', claimed_at = '2026-10-26T23:59Z'", [None],
            Finding(Kind.ATTEMPTED_BUT_WAITING, 2, healed=2), "UNKNOWN",
        ),
        (f"status = 'SENDING', {IN_FLIGHT}", [], Finding(Kind.IN_FLIGHT_WITHOUT_ATTEMPT, 2, held=2), "HELD"),
        (
            f"status = 'UNKNOWN', {IN_FLIGHT}", ["RETRY_SAFE"],
            Finding(Kind.IN_FLIGHT_WITHOUT_ATTEMPT, 2, held=2), "HELD",
        ),
        (
            "status = 'QUEUED', claimed_at = '2026-10-26'", [],
            Finding(Kind.STUCK_IN_QUEUE, 2, healed=2), "PENDING",
        ),
        (None, ["RETRY_SAFE", "RETRY_SAFE"], Finding(Kind.UNCOUNTED_ATTEMPTS, 2, healed=2), "PENDING"),
    ],
)  # fmt: skip
def test_a_row_that_contradicts_its_attempts_is_healed_or_held(
    base: Register, change: str | None, outcomes: list[str | None], expected: Finding, status: str
) -> None:
    for number, outcome in enumerate(outcomes, start=1):
        attempt(base, WAITING, outcome, number)
    if change:
        spoil(base, change, WAITING)

    report = night(base, NIGHT)

    (finding,) = report.findings
    assert (finding.kind, finding.found, finding.healed, finding.held) == (
        expected.kind, expected.found, expected.healed, expected.held,
    )  # fmt: skip
    assert len(finding.subjects) == 2
    assert set(base.rows(f"SELECT status FROM notification_schedule WHERE {WAITING}")) == {(status,)}  # noqa: S608
    if finding.left:
        assert night(base, NEXT_NIGHT).counts["unhealed"] == 2
    else:
        assert_settled(base)


def test_an_attempt_in_flight_far_beyond_its_lease_is_asked_about(base: Register) -> None:
    attempt(base, SENT, None, number=2)
    corrupt(base, "DELETE FROM notification_outbox WHERE outcome = 'ACCEPTED'")
    spoil(base, "status = 'SENDING', attempt_count = 2", SENT)

    (finding,) = night(base, NIGHT).findings

    assert (finding.kind, finding.healed) == (Kind.STUCK_IN_SENDING, 1)
    assert base.rows("SELECT status, outcome FROM notification_schedule JOIN notification_outbox"
                     " USING (idempotency_key, scheduled_at)") == [("UNKNOWN", "UNKNOWN")]  # fmt: skip


def test_a_double_send_that_a_human_has_judged_is_not_brought_up_again(base: Register) -> None:
    attempt(base, SENT, "ACCEPTED", number=2)
    assert night(base, NIGHT).counts["unhealed"] == 1
    base.execute(
        "UPDATE notification_schedule SET status = 'SENT', updated_at = :now WHERE status = 'HELD'", now=NIGHT
    )

    assert_settled(base)


def test_one_person_told_twice_under_two_keys_is_a_double_send(base: Register) -> None:
    corrupt(
        base,
        f"""INSERT INTO notification_schedule (idempotency_key, tenant_id, clinician_id, license_id, policy_id,
              policy_version, attempt_count, occasion_date, occurrence, scheduled_at, window_end, claimed_at,
              created_at, updated_at, status, occasion, event, template)
            SELECT sha256('another'), tenant_id, clinician_id, license_id, policy_id, policy_version, 1, occasion_date,
              occurrence, scheduled_at + interval '1 hour', window_end, claimed_at, created_at, updated_at, status,
              occasion, event, template
            FROM notification_schedule WHERE {SENT}""",  # noqa: S608
        """INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
             lease_until, finished_at, channel, provider, recipient, template, outcome, provider_message_id)
           SELECT sha256('another'), tenant_id, 1, scheduled_at + interval '1 hour', started_at, lease_until,
             finished_at, channel, provider, recipient, template, outcome, 'm-2' FROM notification_outbox""",
    )

    (finding,) = night(base, NIGHT).findings

    assert (finding.kind, finding.found, finding.held) == (Kind.DOUBLE_SENDS, 2, 2)
    assert_settled(base)


def test_a_lost_row_comes_back_with_the_attempts_that_were_made_for_it(base: Register) -> None:
    attempt(base, WAITING, "RETRY_SAFE")
    lose(base, WAITING)

    report = night(base, NIGHT)

    assert {(each.kind, each.healed) for each in report.findings} == {
        (Kind.MISSING_ROWS, 2),
        (Kind.UNCOUNTED_ATTEMPTS, 2),
    }
    assert base.rows(f"SELECT DISTINCT attempt_count FROM notification_schedule WHERE {WAITING}") == [(1,)]  # noqa: S608


def test_an_attempt_that_nothing_calls_for_is_reported_every_night(base: Register) -> None:
    lose(base, SENT)
    corrupt(base, "DELETE FROM licenses WHERE expires_on < '2027-02-01'")
    for at in (NIGHT, NEXT_NIGHT):
        found = {each.kind: each for each in night(base, at).findings}
        assert (found[Kind.ORPHANED_ATTEMPTS].found, found[Kind.ORPHANED_ATTEMPTS].left) == (1, 1)


@pytest.mark.parametrize("table", ["licenses", "person_dates"])
def test_rows_whose_date_was_deleted_under_them_are_cancelled(base: Register, table: str) -> None:
    corrupt(base, f"DELETE FROM {table}")  # noqa: S608

    (finding,) = night(base, NIGHT).findings

    assert finding.kind is Kind.ORPHANED_ROWS
    assert finding.found == finding.healed > 0
    assert set(base.rows("SELECT reason FROM notification_schedule WHERE status = 'CANCELLED'")) == {
        ("reconcile: orphaned rows",)
    }


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit_log SET reason = 'inserted PENDING 1' WHERE seq = 1",
        "DELETE FROM audit_log WHERE seq = 2",
        "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)",
        "DELETE FROM audit_log",
    ],
)
def test_a_broken_audit_chain_is_reported(base: Register, damage: str) -> None:
    night(base, NIGHT)
    corrupt(base, damage)

    (finding,) = night(base, NEXT_NIGHT).findings

    assert finding.kind is Kind.BROKEN_AUDIT_CHAIN
    assert finding.left == finding.found > 0


def test_zones_of_another_tzdata_are_reported(base: Register) -> None:
    base.execute("UPDATE zone_offset SET tzdata_version = '2019a' WHERE zone IN ('Asia/Tokyo', 'UTC')")

    (finding,) = night(base, NIGHT).findings

    assert (finding.kind, finding.found, finding.left) == (Kind.OTHER_TZDATA, 2, 2)


def test_a_rule_of_a_zone_that_changed_moves_exactly_what_it_touches(base: Register) -> None:
    base.execute(
        "UPDATE zone_offset SET utc_offset = utc_offset + interval '1 hour'"
        " WHERE zone = 'America/New_York' AND local_from <= '2027-05-31' AND local_until > '2027-05-31'"
    )

    report = night(base, NIGHT)

    # The three of the licence that expires on June 30, 2027, and two birthdays on March 15.
    assert {(each.kind, each.healed) for each in report.findings} == {
        (Kind.MISSING_ROWS, 5),
        (Kind.UNCALLED_FOR_ROWS, 5),
    }
    assert_settled(base)


def test_a_shorter_horizon_takes_back_what_lies_beyond_it(base: Register) -> None:
    report = night(base, NIGHT, horizon_months=2)

    assert [each.kind for each in report.findings] == [Kind.UNCALLED_FOR_ROWS]
    ((furthest,),) = base.rows("SELECT max(scheduled_at) FROM notification_schedule WHERE status = 'PENDING'")
    assert furthest < report.horizon
