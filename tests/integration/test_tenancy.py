"""Tenants are kept apart by the database itself: what the catalog says, and what the API's role can do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError

from tests.conftest import Database
from tests.integration.conftest import DAILY, NOW, Register, acknowledge, suppress

APP_ROLES = ("nolapse_engine", "nolapse_api")
WITH_TENANT = """
SELECT DISTINCT pg_class.oid, relname, relrowsecurity, relforcerowsecurity, relispartition
FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname = 'tenant_id'
"""


@pytest.fixture
def two_tenants(register: Register) -> tuple[UUID, UUID]:
    """Two clinics with a planned licence, a birthday, a medication, an attempt and a policy with a shadow each."""
    mine, other = register.tenant("mine"), register.tenant("other")
    for tenant in (mine, other):
        clinician = register.clinician(tenant)
        register.license(tenant, clinician, date(2027, 6, 30))
        register.execute(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " VALUES (:tenant, :clinician, 'BIRTHDAY', '1980-02-29')",
            tenant=tenant,
            clinician=clinician,
        )
        register.execute(
            "WITH made AS (INSERT INTO renewal_policies (tenant_id, license_type, name)"
            " VALUES (:tenant, 'RN', 'ours') RETURNING policy_id)"
            " INSERT INTO policy_version (policy_id, version, tenant_id, status, steps)"
            " SELECT policy_id, 1, :tenant, 'ACTIVE', jsonb_build_array(jsonb_build_object("
            "   'event', 'PRIMARY', 'days', -60, 'template', 'primary',"
            "   'channels', jsonb_build_array('EMAIL'), 'recipients', jsonb_build_array('HOLDER'))) FROM made",
            tenant=tenant,
        )
    register.plan()
    for (clinician,) in register.rows("SELECT clinician_id FROM clinicians"):
        register.prescribe(clinician, DAILY)
    register.execute("DELETE FROM notification_schedule WHERE medication_id IS NOT NULL")
    register.execute(
        "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
        " lease_until, channel, provider, recipient, template) SELECT idempotency_key, tenant_id, 1, scheduled_at,"
        " scheduled_at, window_end, 'EMAIL', 'sendgrid', 'ada@clinic.test', template FROM notification_schedule"
    )
    register.execute(
        "INSERT INTO schedule_shadow (policy_id, policy_version, side, tenant_id, clinician_id, subject_id,"
        " occurrence, event, template, channels, zone, scheduled_at, window_end)"
        " SELECT policy_id, policy_version, 'ACTIVE', tenant_id, clinician_id, license_id, occurrence, event,"
        " template, channels, 'UTC', scheduled_at, window_end FROM notification_schedule WHERE license_id IS NOT NULL"
    )
    register.execute(
        "INSERT INTO imports (tenant_id, source_name, sha256, status, mapping, started_at)"
        " SELECT tenant_id, 'r.csv', sha256('x'), 'RUNNING', '{}', :now FROM tenants",
        now=NOW,
    )
    register.execute(
        "INSERT INTO tenant_webhooks (tenant_id, url, updated_at)"
        " SELECT tenant_id, 'https://x.test', :now FROM tenants",
        now=NOW,
    )
    register.execute(
        "INSERT INTO ops_notices (tenant_id, kind, provider, until_seq, counts, created_at)"
        " SELECT tenant_id, 'GIVEN_UP', 'slack', 1, '[]', :now FROM tenants",
        now=NOW,
    )
    for tenant in (mine, other):
        register.sender(tenant, "desk@clinic.test")
    acknowledge(register)
    suppress(register)
    with register.database.owner.begin() as connection:
        connection.execute(
            text("INSERT INTO api_pace SELECT tenant_id, '', :now, 1 FROM tenants"), {"now": NOW}
        )
        connection.execute(
            text(
                "INSERT INTO idempotent_request (tenant_id, principal, key, request_sha256, created_at)"
                " SELECT tenant_id, 'ada', 'k', sha256('x'), :now FROM tenants"
            ),
            {"now": NOW},
        )
    return mine, other


@contextmanager
def acting(database: Database, tenant: UUID | None) -> Iterator[Connection]:
    """A transaction of the API's role, as a request makes it."""
    with database.api.begin() as connection:
        if tenant is not None:
            connection.execute(
                text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(tenant)}
            )
        yield connection


def tables_with_tenant(register: Register) -> list[str]:
    return [name for _, name, *_, partition in register.rows(WITH_TENANT) if not partition]


def test_every_table_with_a_tenant_forces_row_level_security_by_policies(register: Register) -> None:
    tables = [row for row in register.rows(WITH_TENANT) if not row[-1]]
    assert len(tables) >= 9
    for oid, name, enabled, forced, _ in tables:
        assert (enabled, forced) == (True, True), name
        policies = register.rows(
            "SELECT polname, polcmd::text FROM pg_policy WHERE polrelid = :oid ORDER BY 1", oid=oid
        )
        of_people = name in tables_of_people(register)
        own = [("own_person", "*")] if of_people else []
        assert policies == [("engine", "*"), *own, ("tenant_reads", "r"), ("tenant_writes", "*")], name


def tables_of_people(register: Register) -> set[str]:
    """With rows of one person each."""
    return {
        name
        for (name,) in register.rows(
            "SELECT DISTINCT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attname = 'clinician_id'"
            " AND NOT relispartition"
        )
    }


def test_a_physician_s_transaction_shows_their_own_rows_and_no_others(
    register: Register, two_tenants: tuple[UUID, UUID]
) -> None:
    mine, _ = two_tenants
    ((ada,),) = register.rows("SELECT clinician_id FROM clinicians WHERE tenant_id = :mine", mine=mine)
    grace = register.clinician(mine, "grace")
    register.license(mine, grace, date(2027, 6, 30), number="RN-2")
    register.plan()
    tables = tables_of_people(register)
    assert len(tables) >= 7
    for table in tables:
        query = text(f"SELECT clinician_id FROM {table}")  # noqa: S608
        for person in (ada, grace):
            with acting(register.database, mine) as connection:
                everybody = set(connection.scalars(query))
                connection.execute(
                    text("SELECT set_config('app.clinician_id', :person, true)"), {"person": str(person)}
                )
                assert set(connection.scalars(query)) == everybody & {person}, table


def test_what_holds_tenants_rows_without_policies_is_closed_to_those_who_serve(register: Register) -> None:
    # A partition asked for by its own name has no policies: nobody may ask for it but through its parent.
    partitions = [row for row in register.rows(WITH_TENANT) if row[-1]]
    assert len(partitions) > 12
    for _, name, *_ in partitions:
        assert privileges(register, name) == []


def privileges(register: Register, table: str) -> list[tuple[Any, ...]]:
    return register.rows(
        "SELECT role, privilege FROM unnest(CAST(:roles AS text[])) AS role,"
        " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN'])"
        " AS privilege WHERE has_table_privilege(role, :table, privilege)",
        roles=list(APP_ROLES),
        table=table,
    )


def test_only_reading_and_writing_rows_is_granted_and_never_truncate(register: Register) -> None:
    for table in tables_with_tenant(register):
        granted = {privilege for _, privilege in privileges(register, table)}
        assert granted <= {"SELECT", "INSERT", "UPDATE", "DELETE"}, table


def test_the_roles_that_serve_are_ordinary_and_own_nothing(register: Register) -> None:
    assert register.rows(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'nolapse%' AND (rolsuper OR rolbypassrls OR rolcreaterole"
        " OR rolcreatedb OR rolreplication)"
    ) == []  # fmt: skip
    assert register.rows(
        "SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) = ANY (:roles)"
        " UNION ALL SELECT proname FROM pg_proc WHERE pg_get_userbyid(proowner) = ANY (:roles)"
        " UNION ALL SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = ANY (:roles)",
        roles=list(APP_ROLES),
    ) == []  # fmt: skip
    assert register.rows(
        "SELECT member::regrole FROM pg_auth_members WHERE CAST(member::regrole AS text) = ANY (:roles)",
        roles=list(APP_ROLES),
    ) == []  # fmt: skip


def test_every_foreign_key_is_covered_by_an_index(register: Register) -> None:
    uncovered = register.rows("""
        SELECT conrelid::regclass::text, conname
        FROM pg_constraint AS fk
        WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0
          AND NOT EXISTS (
            SELECT FROM pg_index
            -- an index of what is not NULL serves a reference that may be NULL
            WHERE indrelid = conrelid
              AND (indpred IS NULL OR pg_get_expr(indpred, indrelid) ~ '^\\(\\w+ IS NOT NULL\\)$')
              AND (CAST(indkey AS int2[]))[0:cardinality(conkey) - 1] @> conkey)""")
    assert uncovered == []


def test_a_tenant_sees_its_rows_and_no_others(register: Register, two_tenants: tuple[UUID, UUID]) -> None:
    mine, _ = two_tenants
    for table in tables_with_tenant(register):
        with acting(register.database, mine) as connection:
            seen = set(connection.scalars(text(f"SELECT tenant_id FROM {table}")))  # noqa: S608
        assert seen - {None} == {mine}, table
        assert (None in seen) == (table in {"renewal_policies", "policy_version"}), table


def test_without_a_tenant_nothing_is_seen_but_the_platform_s_policies(
    register: Register, two_tenants: tuple[UUID, UUID]
) -> None:
    assert two_tenants
    for table in tables_with_tenant(register):
        with acting(register.database, None) as connection:
            assert set(connection.scalars(text(f"SELECT tenant_id FROM {table}"))) <= {None}, table  # noqa: S608


def test_a_tenant_lasts_no_longer_than_its_transaction(
    register: Register, two_tenants: tuple[UUID, UUID]
) -> None:
    count = text("SELECT count(*) FROM clinicians")
    with register.database.api.connect() as connection:
        with connection.begin():
            connection.execute(
                text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(two_tenants[0])}
            )
            assert connection.scalar(count) == 1
        with connection.begin():
            assert connection.scalar(count) == 0


WRITES_FOR_OTHERS = {
    "a new clinician": "INSERT INTO clinicians (tenant_id, external_id, full_name) VALUES (:other, 'x', 'X')",
    "a clinician given away": "UPDATE clinicians SET tenant_id = :other",
    "a platform policy": "INSERT INTO renewal_policies (name, license_type) VALUES ('mine for all', 'RN')",
    "a version of the platform's policy": """
        INSERT INTO policy_version (policy_id, version, tenant_id, status, steps)
        SELECT policy_id, 2, :mine, 'DRAFT', '[]' FROM renewal_policies WHERE tenant_id IS NULL""",
    "a version of another's policy": """
        INSERT INTO policy_version (policy_id, version, tenant_id, status, steps)
        VALUES (:other_policy, 2, :mine, 'DRAFT', '[]')""",
    "a licence of another's clinician": """
        INSERT INTO licenses (tenant_id, clinician_id, license_type, license_number)
        VALUES (:mine, :other_clinician, 'RN', '1')""",
    "a sender": """
        INSERT INTO senders (tenant_id, provider, address, created_at, updated_at)
        VALUES (:other, 'sendgrid', 'x@x.test', now(), now())""",
    "a sender given away": "UPDATE senders SET tenant_id = :other",
    "an attempt": """
        INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,
          lease_until, channel, provider, recipient, template)
        VALUES (sha256('x'), :mine, 1, now(), now(), now() + interval '1 minute', 'EMAIL', 'p', 'r', 't')""",
    "a suppression of another's": """
        INSERT INTO suppressions (tenant_id, address_sha256, channel, reason, since, updated_at)
        VALUES (:other, address_digest('x'), 'EMAIL', 'UNSUBSCRIBED', now(), now())""",
    "a receipt": """
        INSERT INTO provider_receipts (at, taken_at, provider, event_id, kind, provider_message_id)
        VALUES (now(), now(), 'sendgrid', 'e', 'BOUNCED', 'm')""",
    "an audit entry": """
        SELECT append_audit(ARRAY[CAST(:other AS uuid)], ARRAY[now()], 'x', ARRAY['x'], NULL, NULL, NULL)""",
    "an audit entry of the platform": """
        SELECT append_audit(ARRAY[NULL::uuid], ARRAY[now()], 'x', ARRAY['x'], NULL, NULL, NULL)""",
    "an audit entry by hand": "INSERT INTO audit_log SELECT * FROM audit_log",
}


@pytest.mark.parametrize("what", WRITES_FOR_OTHERS)
def test_a_tenant_cannot_write_what_is_not_its_own(
    register: Register, two_tenants: tuple[UUID, UUID], what: str
) -> None:
    mine, other = two_tenants
    parameters = {
        "mine": mine,
        "other": other,
        "other_policy": register.rows(
            "SELECT policy_id FROM renewal_policies WHERE tenant_id = :other", other=other
        )[0][0],
        "other_clinician": register.rows(
            "SELECT clinician_id FROM clinicians WHERE tenant_id = :other", other=other
        )[0][0],
    }
    refused = "row-level security|permission denied|foreign key|another tenant"
    with pytest.raises(DatabaseError, match=refused), acting(register.database, mine) as connection:
        connection.execute(text(WRITES_FOR_OTHERS[what]), parameters)


def test_another_tenant_s_rows_cannot_be_changed_or_removed(
    register: Register, two_tenants: tuple[UUID, UUID]
) -> None:
    mine, other = two_tenants
    before = register.rows("SELECT * FROM notification_schedule WHERE tenant_id = :other", other=other)
    with acting(register.database, mine) as connection:
        for change in (
            "UPDATE notification_schedule SET template = 'x'",
            "DELETE FROM notification_schedule",
        ):
            assert (
                connection.execute(text(f"{change} WHERE tenant_id = :other"), {"other": other}).rowcount == 0
            )
            assert connection.execute(text(change)).rowcount == 2
    after = register.rows("SELECT * FROM notification_schedule WHERE tenant_id = :other", other=other)
    assert after == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE policy_version SET status = 'RETIRED' WHERE tenant_id IS NULL",
        "DELETE FROM policy_version WHERE tenant_id IS NULL",
        "UPDATE renewal_policies SET name = 'x' WHERE tenant_id IS NULL",
    ],
)
def test_the_platform_s_policies_are_read_by_all_and_changed_by_none(
    register: Register, two_tenants: tuple[UUID, UUID], change: str
) -> None:
    with acting(register.database, two_tenants[0]) as connection:
        assert connection.execute(text(change)).rowcount == 0
        steps = connection.scalar(text("SELECT steps FROM policy_version WHERE tenant_id IS NULL"))
    assert [step["event"] for step in steps] == ["PRIMARY", "SECONDARY", "PAST_DUE"]


def test_a_temporary_table_does_not_stand_in_for_the_rules(
    register: Register, two_tenants: tuple[UUID, UUID]
) -> None:
    # A SECURITY DEFINER function whose search_path does not put pg_temp last would read the caller's table.
    change = text("UPDATE notification_schedule SET status = 'DELIVERED', updated_at = :now")
    with register.database.api.connect() as connection:
        connection.execute(
            text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(two_tenants[0])}
        )
        connection.execute(
            text("CREATE TEMP TABLE notification_transition (from_status text, to_status text)")
        )
        connection.execute(text("INSERT INTO notification_transition VALUES ('PENDING', 'DELIVERED')"))
        connection.execute(text("GRANT ALL ON notification_transition TO PUBLIC"))
        with pytest.raises(DatabaseError, match="cannot go from PENDING to DELIVERED"):
            connection.execute(change, {"now": NOW})
