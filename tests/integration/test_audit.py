"""The audit log: append-only for everybody, and what a superuser changes behind its back shows."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from nolapse.oversight.audit import AuditChain, verify_audit
from nolapse.storage.engine import transaction
from tests.conftest import Database
from tests.integration.conftest import NOW, Register

WRITERS = 8


def licensed(register: Register, count: int) -> UUID:
    """A planned tenant with `count` licences, each expiring next October."""
    tenant = register.tenant()
    clinician = register.clinician(tenant)
    for number in range(count):
        register.license(tenant, clinician, NOW.date().replace(year=2027), number=f"RN-{number}")
    register.plan()
    return tenant


def verified(database: Database) -> AuditChain:
    with database.engine.connect() as connection:
        return verify_audit(connection)


@pytest.fixture
def logged(register: Register) -> Database:
    """Ten entries: planning's, then three rows queued, sending, and sent."""
    licensed(register, 1)
    for status in ("QUEUED", "SENDING", "SENT"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :now, updated_at = :now",
            status=status,
            now=NOW,
        )
    assert verified(register.database) == AuditChain(entries=10, first_broken_seq=None)
    return register.database


def test_an_empty_log_holds(database: Database) -> None:
    assert verified(database) == AuditChain(entries=0, first_broken_seq=None)


@pytest.mark.parametrize(
    "change", ["UPDATE audit_log SET reason = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
@pytest.mark.parametrize("role", ["nolapse_owner", "nolapse_engine", "nolapse_api"])
def test_nobody_changes_what_is_written(logged: Database, role: str, change: str) -> None:
    with logged.owner.connect() as connection:
        connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(DatabaseError, match=r"append-only|permission denied"):
            connection.execute(text(change))
    assert verified(logged).entries == 10


# What one who may do everything could do, and the first entry that then no longer follows from those before it.
TAMPERINGS = {
    "a changed reason": ("UPDATE audit_log SET reason = 'x' WHERE seq = 4", 4),
    "another actor": ("UPDATE audit_log SET actor = 'x' WHERE seq = 1", 1),
    "another time": ("UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 10", 10),
    "another tenant": ("UPDATE audit_log SET tenant_id = NULL WHERE seq = 7", 7),
    "a removed entry": ("DELETE FROM audit_log WHERE seq = 5", 6),
    "a removed beginning": ("DELETE FROM audit_log WHERE seq <= 3", 4),
    "exchanged entries": (
        (
            "UPDATE audit_log SET seq = CASE seq WHEN 2 THEN -3 ELSE -2 END WHERE seq IN (2, 3);"
            "UPDATE audit_log SET seq = -seq WHERE seq < 0"
        ),
        2,
    ),
    "an entry changed with its own hash recomputed": (
        (
            "UPDATE audit_log AS entry SET reason = 'x', hash = audit_link(NULL, previous.hash, audit_entry(entry.seq,"
            " entry.tenant_id, entry.at, entry.actor, entry.action, entry.subject, entry.from_status, entry.to_status,"
            " 'x')) FROM audit_log AS previous WHERE entry.seq = 6 AND previous.seq = 5"
        ),
        7,
    ),
    "an added entry": (
        (
            "INSERT INTO audit_log SELECT 11, tenant_id, at, actor, action, subject, from_status, to_status, reason,"
            " hash FROM audit_log WHERE seq = 10"
        ),
        11,
    ),
}


@pytest.mark.parametrize("how", TAMPERINGS)
def test_tampering_shows_and_where(logged: Database, how: str) -> None:
    statements, first_broken = TAMPERINGS[how]
    with logged.owner.begin() as connection:
        connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER ALL"))
        for change in statements.split(";"):
            connection.execute(text(change))
    chain = verified(logged)
    assert not chain.holds
    assert chain.first_broken_seq == first_broken


def test_what_was_is_found_by_hashing_also_where_a_session_began_with_nothing(register: Register) -> None:
    """The trigger keeps its plan for the session: made for no rows, it would compare each with each of thousands."""
    licensed(register, 1)
    shown = "SET LOCAL debug_print_plan = on; SET LOCAL debug_pretty_print = off; SET LOCAL client_min_messages = log"
    moved = (
        "UPDATE notification_schedule SET status = 'QUEUED', claimed_at = now(), updated_at = now() WHERE "
    )
    with register.database.owner.begin() as connection:
        driver: Any = connection.connection.dbapi_connection
        for statement in (*shown.split(";"), f"{moved} false", f"{moved} status = 'PENDING'"):
            connection.execute(text(statement))
        plans = [notice[b"D"] for notice in driver.notices if b"array_agg(became" in notice.get(b"W", b"")]

    assert len(plans) == 1
    assert b"{HASHJOIN" in plans[0]
    assert b"{NESTLOOP" not in plans[0]


def test_writers_at_the_same_time_keep_the_chain_unbroken_and_gapless(register: Register) -> None:
    licensed(register, WRITERS)
    start = Barrier(WRITERS)
    licenses = [row[0] for row in register.rows("SELECT license_id FROM licenses")]

    def write(license_id: UUID) -> None:
        start.wait()
        for status in ("QUEUED", "SENDING", "PENDING") * 3:
            with transaction(register.database.engine, f"writer of {license_id}") as connection:
                connection.execute(
                    text(
                        "UPDATE notification_schedule SET status = CAST(:status AS text), updated_at = :now,"
                        " claimed_at = CASE WHEN :status <> 'PENDING' THEN CAST(:now AS timestamptz) END"
                        " WHERE license_id = :license"
                    ),
                    {"status": status, "now": NOW, "license": license_id},
                )

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, licenses))

    entries = 1 + WRITERS * 9 * 3
    assert verified(register.database) == AuditChain(entries, first_broken_seq=None)
    assert register.rows("SELECT min(seq), max(seq), count(DISTINCT actor) FROM audit_log") == [
        (1, entries, WRITERS + 1)
    ]
