"""What is old is forgotten, table by table, and what still has to be settled is not."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from nolapse.domain.retention import TABLES
from nolapse.oversight.audit import verify_audit
from nolapse.oversight.maintenance import forget
from tests.conftest import Database
from tests.integration.conftest import NOW, RETENTION, Register, acknowledge

YEARS = NOW + timedelta(days=1200)
# Past that, the audit log's own time is over too.
DECADE = NOW + timedelta(days=3650)


@pytest.fixture
def history(register: Register) -> Register:
    """A row in every table that forgets, all of them of 2026."""
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 2, 1))
    register.plan(NOW)
    acknowledge(register)
    for status in ("QUEUED", "SENDING", "SENT", "DELIVERED"):
        register.execute(
            "UPDATE notification_schedule SET status = CAST(:status AS text), claimed_at = :now, updated_at = :now",
            status=status,
            now=NOW,
        )
    for change in (
        (
            "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
            " lease_until, finished_at, channel, provider, recipient, template, outcome, provider_message_id)"
            " SELECT idempotency_key, tenant_id, 1, scheduled_at, CAST(:now AS timestamptz),"
            " scheduled_at + interval '1 day', scheduled_at, 'EMAIL', 'sendgrid', 'ada@clinic.test', template,"
            " 'ACCEPTED', 'm'"
            " FROM notification_schedule"
        ),
        (
            "INSERT INTO ops_notices (tenant_id, kind, provider, until_seq, counts, created_at, outcome)"
            " SELECT tenant_id, 'GIVEN_UP', 'slack', 1, '[]', :now, 'ACCEPTED' FROM tenants"
        ),
        (
            "INSERT INTO imports (tenant_id, source_name, sha256, status, mapping, started_at, finished_at)"
            " SELECT tenant_id, 'r.csv', sha256('x'), 'DONE', '{}', :now, :now FROM tenants"
        ),
        "INSERT INTO scheduler_heartbeat (function, started_at) VALUES ('scan', :now)",
        "INSERT INTO sending_pace VALUES ('channel:EMAIL', :now, 1)",
    ):
        register.execute(change, now=NOW)
    with register.database.owner.begin() as connection:
        for change in (
            "INSERT INTO api_pace SELECT tenant_id, '', :now, 1 FROM tenants",
            (
                "INSERT INTO idempotent_request (tenant_id, principal, key, request_sha256, created_at)"
                " SELECT tenant_id, 'ada', 'k', sha256('x'), :now FROM tenants"
            ),
        ):
            connection.execute(text(change), {"now": NOW})
    return register


def rows(register: Register, tables: Any = TABLES) -> dict[str, int]:
    with register.database.owner.connect() as connection:
        return {
            table: connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
            for table in tables
        }


def test_today_nothing_is_forgotten(history: Register) -> None:
    before = rows(history)
    assert 0 not in before.values()
    assert set(forget(history.database.engine, RETENTION, now=NOW).values()) == {0}
    assert rows(history) == before


@pytest.mark.parametrize("table", [name for name in TABLES if name != "notification_schedule"])
def test_a_row_is_kept_to_its_last_day_and_forgotten_after_it(history: Register, table: str) -> None:
    before = rows(history)[table]
    days, margin = RETENTION.days[table], timedelta(minutes=1)

    forget(history.database.engine, RETENTION, now=NOW + timedelta(days=days) - margin)
    assert rows(history)[table] == before
    # These have the time of what they tell of, here that of the schedule's windows.
    late = timedelta(days=500) if table in {"audit_log", "acknowledgements"} else margin
    counts = forget(history.database.engine, RETENTION, now=NOW + timedelta(days=days) + late)

    left = 1 if table == "audit_log" else 0  # its newest entry stays, whatever its age
    assert (rows(history)[table], counts[f"{table}_forgotten"]) == (left, before - left)


def test_months_of_the_schedule_go_as_a_whole_once_all_is_settled(history: Register) -> None:
    history.execute("UPDATE notification_schedule SET status = 'HELD', reason = 'x' WHERE event = 'PAST_DUE'")
    counts = forget(history.database.engine, RETENTION, now=YEARS)

    assert counts["partitions_forgotten"] > 10
    assert history.rows("SELECT event, status FROM notification_schedule") == [("PAST_DUE", "HELD")]


def test_a_job_that_never_got_its_register_is_forgotten_like_another(history: Register) -> None:
    history.execute("UPDATE imports SET status = 'WAITING', finished_at = NULL")
    kept = timedelta(days=RETENTION.days["imports"])

    assert forget(history.database.engine, RETENTION, now=NOW + kept)["imports_forgotten"] == 0
    late = NOW + kept + timedelta(minutes=1)
    assert forget(history.database.engine, RETENTION, now=late)["imports_forgotten"] == 1


def test_attempts_that_are_not_settled_stay(history: Register) -> None:
    history.execute("UPDATE notification_outbox SET outcome = 'UNKNOWN', provider_message_id = NULL")
    assert forget(history.database.engine, RETENTION, now=YEARS)["notification_outbox_forgotten"] == 0


def verified(database: Database) -> tuple[int, int | None]:
    with database.engine.connect() as connection:
        chain = verify_audit(connection)
    return chain.entries, chain.first_broken_seq


def audit(database: Database, action: str, at: datetime) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            text("SELECT append_audit(ARRAY[NULL::uuid], ARRAY[CAST(:at AS timestamptz)], :action,"
                 " ARRAY['x'], NULL, NULL, NULL)"),
            {"at": at, "action": action},
        )  # fmt: skip


class TestTheAuditChain:
    def test_holds_from_its_anchor_on_and_goes_on_from_there(self, database: Database) -> None:
        for number in range(3):
            audit(database, f"old {number}", NOW)
        audit(database, "new", DECADE)
        assert forget(database.engine, RETENTION, now=DECADE)["audit_log_forgotten"] == 3
        assert verified(database) == (1, None)

        audit(database, "newer", DECADE)

        assert verified(database) == (2, None)
        assert forget(database.engine, RETENTION, now=DECADE)["audit_log_forgotten"] == 0

    def test_shows_an_entry_that_was_taken_out_behind_it(self, database: Database) -> None:
        for number in range(3):
            audit(database, f"old {number}", NOW)
        audit(database, "new", DECADE)
        audit(database, "newer", DECADE)
        forget(database.engine, RETENTION, now=DECADE)

        with database.owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("DELETE FROM audit_log WHERE action = 'new'"))

        assert verified(database)[1] is not None

    def test_an_entry_stays_behind_a_younger_one(self, database: Database) -> None:
        """Entries may tell of an earlier time than the one before them did."""
        audit(database, "old", NOW)
        audit(database, "young", DECADE)
        audit(database, "old again", NOW)
        audit(database, "last", DECADE)
        assert forget(database.engine, RETENTION, now=DECADE)["audit_log_forgotten"] == 1
        assert verified(database) == (3, None)


def test_what_was_forgotten_is_not_planned_again(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2022, 2, 1))
    register.license(tenant, register.clinician(tenant, "bob"), date(2025, 2, 1), number="2")
    register.plan(NOW)
    years = "SELECT DISTINCT extract(year FROM occasion_date)::integer FROM notification_schedule ORDER BY 1"
    assert [row[0] for row in register.rows(years)] == [2022, 2025]
    forget(register.database.engine, RETENTION, now=NOW)
    assert register.plan(NOW).rows == {}
    assert [row[0] for row in register.rows(years)] == [2025]
