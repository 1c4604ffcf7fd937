"""The watchdog: silent where all is well, and an alarm for each way in which a reminder could fail to come."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from nolapse.oversight.watchdog import SLICES, Alarm, WatchReport, watch
from nolapse.storage.statements import statement
from tests.integration.conftest import Register

# New York on November 24, 2026: windows are 13:00 to 17:00 UTC, of birthdays 14:00 to 17:00.
MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)
BIRTHDAYS_OPEN = datetime(2026, 11, 24, 14, tzinfo=UTC)
CLOSES = datetime(2026, 11, 24, 17, tzinfo=UTC)
PLANNED = datetime(2026, 11, 1, tzinfo=UTC)
PEOPLE = 60


@pytest.fixture
def base(register: Register) -> Register:
    """Sixty people whose SECONDARY reminder falls on November 24, and a birthday each on that day."""
    tenant = register.tenant()
    for number in range(PEOPLE):
        clinician = register.clinician(tenant, f"p{number}")
        register.license(tenant, clinician, date(2026, 12, 24), number=f"RN-{number}")
        register.execute(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " VALUES (:tenant, :clinician, 'BIRTHDAY', '1990-11-24')",
            tenant=tenant,
            clinician=clinician,
        )
    register.plan(PLANNED)
    return register


def look(base: Register, now: datetime) -> WatchReport:
    return watch(base.database.engine, now=now, everybody=True)


def raised(report: WatchReport) -> dict[Alarm, int]:
    return {alarm: len(keys) for alarm, keys in report.alarms.items() if keys}


def corrupt(base: Register, sql: str) -> None:
    with base.database.owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(sql))


def send(base: Register, at: datetime) -> None:
    """Everything due leaves, as scan and dispatch would have it."""
    for status in ("QUEUED", "SENDING", "SENT"):
        base.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :at, attempt_count = 1, updated_at = :at"
            " WHERE status NOT IN ('SUPPRESSED', 'LATE_PENDING') AND scheduled_at <= :at AND send_by > :at",
            status=status,
            at=at,
        )
    base.execute(
        """INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
             lease_until, finished_at, channel, provider, recipient, template, outcome, provider_message_id)
           SELECT idempotency_key, tenant_id, 1, scheduled_at, :at, CAST(:at AS timestamptz) + interval '2 minutes',
             :at, 'EMAIL', 'sendgrid', 'ada@clinic.test', template, 'ACCEPTED', 'm'
           FROM notification_schedule WHERE status = 'SENT'""",
        at=at,
    )


def test_a_healthy_day_is_silent_at_every_hour(base: Register) -> None:
    for hour in range(5):
        report = look(base, MORNING + timedelta(hours=hour))
        assert (report.people, report.expected, raised(report)) == (PEOPLE, 2 * PEOPLE, {})
    send(base, BIRTHDAYS_OPEN + timedelta(minutes=1))
    for hour in range(6, 30):
        assert raised(look(base, MORNING + timedelta(hours=hour))) == {}


def test_old_dates_that_were_planned_late_are_no_alarm(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2026, 12, 24))
    register.plan(CLOSES + timedelta(hours=3))

    assert raised(look(register, CLOSES + timedelta(hours=4))) == {}


def test_what_was_told_before_its_window_moved_is_not_missing(base: Register) -> None:
    send(base, BIRTHDAYS_OPEN + timedelta(minutes=1))
    base.execute("UPDATE clinicians SET timezone = 'America/Los_Angeles'")
    base.plan(CLOSES)

    assert raised(look(base, CLOSES)) == {}


def test_a_lost_row_is_missed_before_its_window_closes(base: Register) -> None:
    corrupt(
        base, "DELETE FROM notification_schedule WHERE event = 'BIRTHDAY' AND scheduled_at < '2026-12-01'"
    )

    report = look(base, MORNING)

    assert raised(report) == {Alarm.MISSING_ROWS: PEOPLE}
    assert all(len(bytes.fromhex(key)) == 32 for key in report.alarms[Alarm.MISSING_ROWS])


@pytest.mark.parametrize(
    ("bug", "alarms"),
    [
        # The planner an hour off: another instant is another key.
        (
            """UPDATE notification_schedule
               SET scheduled_at = scheduled_at - interval '1 hour', idempotency_key = sha256(idempotency_key)""",
            {Alarm.MISSING_ROWS: 2 * PEOPLE, Alarm.WRONG_ROWS: 2 * PEOPLE},
        ),
        (
            "UPDATE notification_schedule SET window_end = window_end + interval '2 hours'",
            {Alarm.WRONG_ROWS: 2 * PEOPLE},
        ),
        (
            "UPDATE notification_schedule SET clinician_id = (SELECT min(clinician_id::text)::uuid FROM clinicians)",
            {Alarm.WRONG_ROWS: 2 * (PEOPLE - 1)},
        ),
        (
            "UPDATE notification_schedule SET status = 'CANCELLED', reason = 'x', send_by = NULL",
            {Alarm.MISSING_ROWS: 2 * PEOPLE},
        ),
        # Not told to the planner.
        ("UPDATE licenses SET status = 'ENDED'", {Alarm.WRONG_ROWS: PEOPLE}),
        ("UPDATE clinicians SET status = 'LEFT'", {Alarm.WRONG_ROWS: 2 * PEOPLE}),
        ("UPDATE licenses SET expires_on = '2027-06-01'", {Alarm.WRONG_ROWS: PEOPLE}),
        (
            "UPDATE person_dates SET on_date = '1990-11-25'",
            {Alarm.MISSING_ROWS: 0, Alarm.WRONG_ROWS: PEOPLE},
        ),
    ],
)
def test_a_planner_that_errs_is_contradicted(base: Register, bug: str, alarms: dict[Alarm, int]) -> None:
    corrupt(base, bug)

    assert raised(look(base, MORNING)) == {alarm: count for alarm, count in alarms.items() if count}


def test_a_scan_that_stands_still_is_noticed_before_the_windows_close(base: Register) -> None:
    assert raised(look(base, CLOSES - timedelta(hours=2))) == {}

    assert raised(look(base, CLOSES - timedelta(hours=1))) == {Alarm.CLOSING_UNSENT: 2 * PEOPLE}
    assert raised(look(base, CLOSES + timedelta(minutes=5))) == {Alarm.UNSENT_PAST_WINDOW: 2 * PEOPLE}


def test_what_is_closing_is_looked_for_among_everybody_at_every_hour(base: Register) -> None:
    report = watch(base.database.engine, now=CLOSES - timedelta(minutes=30))

    assert report.people < PEOPLE
    assert raised(report) == {Alarm.CLOSING_UNSENT: 2 * PEOPLE}


def test_sent_without_an_accepted_attempt_is_not_sent(base: Register) -> None:
    send(base, BIRTHDAYS_OPEN + timedelta(minutes=1))
    corrupt(base, "DELETE FROM notification_outbox WHERE template = 'birthday'")

    assert raised(look(base, CLOSES + timedelta(hours=1))) == {Alarm.UNSENT_PAST_WINDOW: PEOPLE}


def test_what_bounced_was_sent(base: Register) -> None:
    send(base, BIRTHDAYS_OPEN + timedelta(minutes=1))
    corrupt(base, "UPDATE notification_outbox SET outcome = 'BOUNCED' WHERE template = 'birthday'")
    corrupt(
        base, "UPDATE notification_schedule SET status = 'BOUNCED', reason = 'b' WHERE template = 'birthday'"
    )

    assert raised(look(base, CLOSES + timedelta(hours=1))) == {}


def test_twenty_four_hours_look_at_everybody_exactly_once(base: Register) -> None:
    looked_at: Counter[int] = Counter()
    people = 0
    for hour in range(SLICES):
        now = MORNING + timedelta(hours=hour, minutes=7)
        report = watch(base.database.engine, now=now)
        record(base, report, now)
        looked_at.update(report.slices)
        people += report.people

    assert looked_at == Counter(range(SLICES))
    assert people == PEOPLE


def test_hours_without_a_run_are_made_up_for(base: Register) -> None:
    engine = base.database.engine
    first = watch(engine, now=MORNING)
    record(base, first, MORNING)
    assert watch(engine, now=MORNING + timedelta(minutes=59)).slices == first.slices
    assert watch(engine, now=MORNING + timedelta(hours=3)).slices == (10, 11, 12)
    assert sorted(watch(engine, now=MORNING + timedelta(days=9)).slices) == list(range(SLICES))


def record(base: Register, report: WatchReport, now: datetime) -> None:
    """As runtime/runs.py does."""
    counts: dict[str, Any] = {"function": "watchdog", "now": now}
    with base.database.engine.begin() as connection:
        run_id = connection.scalar(statement("begin_run"), counts)
        connection.execute(
            statement("finish_run"), {"run_id": run_id, "now": now, "counts": json.dumps(report.counts)}
        )
