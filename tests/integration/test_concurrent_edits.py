"""Edits, planning runs and claims at the same instant, each on its own connection, end in one consistent schedule."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text

from nolapse.api.acknowledge import record
from nolapse.domain.answers import Answer
from nolapse.domain.links import NotificationLink
from nolapse.planning.plan import bounds, plan
from nolapse.planning.reconcile import reconcile
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement
from tests.conftest import Database
from tests.integration.conftest import NOW, Register

LIMITS = bounds(NOW, horizon_months=13, lookback_days=14)
ZONES = ["America/New_York", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Auckland", "Europe/Berlin"]

PERSON = text("""
INSERT INTO clinicians (tenant_id, external_id, full_name, timezone) VALUES (:tenant, 'ada', 'Ada', :zone)
ON CONFLICT (tenant_id, external_id) DO UPDATE SET timezone = excluded.timezone
RETURNING clinician_id
""")
LICENCE = text("""
INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)
VALUES (:tenant, :clinician, 'RN', 'NY', 'RN-1', '2027-06-30')
ON CONFLICT (tenant_id, license_number, license_type, state) DO UPDATE SET expires_on = excluded.expires_on
""")
MOVE = text(
    "UPDATE licenses SET expires_on = expires_on + CAST(:days AS integer) WHERE clinician_id = :clinician"
)
ZONE = text("UPDATE clinicians SET timezone = :zone WHERE clinician_id = :clinician")
SCHEDULE = text("""
SELECT idempotency_key, clinician_id, subject_id, event, occurrence, scheduled_at, window_end, status
FROM notification_schedule WHERE status <> 'CANCELLED' ORDER BY scheduled_at, idempotency_key
""")


@pytest.fixture
def engines(database: Database) -> Iterator[list[Engine]]:
    """Pools enough for 75 connections at once."""
    pools = [database.postgres.engine(database.name, "nolapse_engine") for _ in range(5)]
    yield pools
    for pool in pools:
        pool.dispose()


def at_once(calls: Sequence[Callable[[], object]]) -> list[Any]:
    """Run all, each in a thread of its own that starts when all are there; the first error is raised."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        start.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def schedule(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(SCHEDULE)]


def planned_afresh(database: Database) -> list[tuple[object, ...]]:
    with database.engine.connect() as connection:
        connection.execute(text("DELETE FROM notification_schedule"))
        plan(connection, LIMITS)
        rows = schedule(connection)
        connection.rollback()
    return rows


def present(database: Database) -> list[tuple[object, ...]]:
    with database.engine.connect() as connection:
        return schedule(connection)


def licensed(register: Register, count: int) -> list[UUID]:
    tenant = register.tenant()
    people = [register.clinician(tenant, f"person {number}") for number in range(count)]
    for number, clinician in enumerate(people):
        expires_on = date(2027, 6, 30) + timedelta(days=number)
        register.license(tenant, clinician, expires_on, number=f"RN-{number}")
    return people


def change_zone(engine: Engine, clinician: UUID, zone: str) -> None:
    with transaction(engine, "api") as connection:
        connection.execute(ZONE, {"clinician": clinician, "zone": zone})
        plan(connection, LIMITS, clinician_ids=[clinician])


def test_a_hundred_creations_of_one_person_make_one_person_and_one_schedule(
    register: Register, engines: list[Engine]
) -> None:
    tenant = register.tenant()

    def create(number: int) -> UUID:
        with transaction(engines[number % len(engines)], "api") as connection:
            given = {"tenant": tenant, "zone": ZONES[number % len(ZONES)]}
            clinician: UUID = connection.execute(PERSON, given).scalar_one()
            connection.execute(LICENCE, {"tenant": tenant, "clinician": clinician})
            plan(connection, LIMITS, clinician_ids=[clinician])
        return clinician

    made = at_once([lambda number=number: create(number) for number in range(100)])  # type: ignore[misc]

    assert len(set(made)) == 1
    assert register.rows("SELECT count(*) FROM clinicians") == [(1,)]
    rows = present(register.database)
    assert [row[3] for row in rows] == ["PRIMARY", "SECONDARY", "PAST_DUE"]
    assert rows == planned_afresh(register.database)


def test_twenty_zone_changes_at_once_end_in_the_schedule_of_the_last(
    register: Register, engines: list[Engine]
) -> None:
    (clinician,) = licensed(register, 1)
    register.plan()

    at_once(
        [
            lambda number=number: change_zone(engines[number % 5], clinician, ZONES[number % 5])  # type: ignore[misc]
            for number in range(20)
        ]
    )

    rows = present(register.database)
    assert len(rows) == 3
    assert rows == planned_afresh(register.database)


def test_reconcile_beside_edits_neither_deadlocks_nor_doubles(
    register: Register, engines: list[Engine]
) -> None:
    people = licensed(register, 12)
    register.plan()
    register.execute("DELETE FROM notification_schedule WHERE event = 'SECONDARY'")

    def heal() -> None:
        reconcile(engines[0], now=NOW, horizon_months=13, lookback_days=14)

    at_once(
        [heal, heal, heal]
        + [
            lambda number=number: change_zone(  # type: ignore[misc]
                engines[1 + number % 4], people[number % len(people)], ZONES[number % len(ZONES)]
            )
            for number in range(30)
        ]
    )

    rows = present(register.database)
    assert len(rows) == 3 * len(people)
    assert rows == planned_afresh(register.database)


def wait_until_blocked(database: Database) -> None:
    """Until some transaction of this database waits for a row that another one holds."""
    deadline = time.monotonic() + 20
    with database.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.scalar(
            text(
                "SELECT EXISTS (SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event = 'transactionid')"
            )
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_row_claimed_while_its_zone_changes_is_not_told_a_second_time(
    register: Register, engines: list[Engine]
) -> None:
    (clinician,) = licensed(register, 1)
    register.plan()
    opens = register.rows("SELECT scheduled_at FROM notification_schedule WHERE event = 'PRIMARY'")[0][0]
    with ThreadPoolExecutor(1) as pool, engines[0].begin() as scan:
        assert scan.execute(statement("claim_due"), {"now": opens + timedelta(minutes=1), "limit": 10}).all()
        edit = pool.submit(change_zone, engines[1], clinician, "America/Los_Angeles")
        wait_until_blocked(register.database)
        scan.commit()
        edit.result()

    assert register.rows(
        "SELECT event, status FROM notification_schedule WHERE status <> 'CANCELLED' ORDER BY scheduled_at"
    ) == [("PRIMARY", "QUEUED"), ("SECONDARY", "PENDING"), ("PAST_DUE", "PENDING")]


def test_a_row_whose_zone_changes_is_not_claimed_beside_it(register: Register, engines: list[Engine]) -> None:
    (clinician,) = licensed(register, 1)
    register.plan()
    opens = register.rows("SELECT scheduled_at FROM notification_schedule WHERE event = 'PRIMARY'")[0][0]
    with engines[0].begin() as edit, engines[1].begin() as scan:
        edit.execute(ZONE, {"clinician": clinician, "zone": "America/Los_Angeles"})
        plan(edit, LIMITS, clinician_ids=[clinician])
        claimed = scan.execute(
            statement("claim_due"), {"now": opens + timedelta(minutes=1), "limit": 10}
        ).all()
    assert claimed == []


def test_answers_and_replans_of_one_licence_at_once_never_wait_for_one_another_for_ever(
    register: Register, engines: list[Engine]
) -> None:
    """Both change many rows of the licence, in months apart, and then write the audit log."""
    events = [f"STEP_{number}" for number in range(24)]
    steps = [
        {"event": event, "days": -14 * (len(events) - number), "template": "primary", "channels": ["EMAIL"],
         "recipients": ["HOLDER"]}
        for number, event in enumerate(events)
    ]  # fmt: skip
    with register.database.owner.begin() as connection:
        connection.execute(
            text("UPDATE policy_version SET steps = CAST(:steps AS jsonb)"), {"steps": json.dumps(steps)}
        )
    tenant = register.tenant()
    people = [register.clinician(tenant, f"person {number}") for number in range(12)]
    for number, clinician in enumerate(people):
        register.license(tenant, clinician, date(2027, 9, 30), number=f"RN-{number}")
    register.plan(tenant_id=tenant)
    api = register.database.api

    def answer(key: bytes, scheduled_at: datetime) -> bool:
        return record(api, NotificationLink(tenant, key, scheduled_at, NOW), Answer.RENEWED, NOW)

    def move(clinician: UUID, days: int) -> None:
        with transaction(engines[days % len(engines)], "api") as connection:
            connection.execute(MOVE, {"clinician": clinician, "days": days})
            plan(connection, LIMITS, clinician_ids=[clinician])

    for days, clinician in enumerate(people, start=1):
        links = register.rows(
            "SELECT idempotency_key, scheduled_at FROM notification_schedule"
            " WHERE clinician_id = :clinician AND status = 'PENDING' ORDER BY scheduled_at LIMIT 3",
            clinician=clinician,
        )
        at_once(
            [lambda key=bytes(key), at=at: answer(key, at) for key, at in links]
            + [lambda who=clinician, days=days: move(who, days) for _ in range(3)]
        )

    # The new date calls for its own, whatever was said of the old one.
    assert register.rows(
        "SELECT count(*), count(DISTINCT clinician_id) FROM notification_schedule"
        " JOIN licenses USING (license_id, clinician_id)"
        " WHERE occasion_date = expires_on AND notification_schedule.status = 'PENDING'"
    ) == [(len(events) * len(people), len(people))]  # fmt: skip


def test_an_answer_waits_for_a_replan_before_it_touches_a_row(register: Register) -> None:
    """The replan has one row of the licence and then wants another: an answer between them would be a deadlock."""
    licensed(register, 1)
    register.plan()
    ((tenant,),) = register.rows("SELECT tenant_id FROM tenants")
    first, second, *_ = register.rows(
        "SELECT idempotency_key, scheduled_at FROM notification_schedule ORDER BY scheduled_at"
    )
    link = NotificationLink(tenant, bytes(first[0]), first[1], NOW)
    touch = text("UPDATE notification_schedule SET updated_at = :now WHERE idempotency_key = :key")
    # As the owner: other roles are not shown what a session waits for.
    blocked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with ThreadPoolExecutor(1) as pool:
        with transaction(register.database.engine, "api") as connection:
            connection.execute(statement("lock_planning"), {"tenant_id": tenant, "clinician_ids": None})
            connection.execute(touch, {"now": NOW, "key": second[0]})
            answered = pool.submit(record, register.database.api, link, Answer.RENEWED, NOW)
            with register.database.owner.connect() as watching:
                while watching.scalar(blocked) == 0:
                    assert not answered.done()
                    time.sleep(0.01)
                    watching.rollback()  # what a transaction has once seen of activity, it sees again
            connection.execute(touch, {"now": NOW, "key": first[0]})
        assert answered.result(timeout=30) is True
    assert register.statuses() == {"PRIMARY": "SUPPRESSED", "SECONDARY": "SUPPRESSED", "PAST_DUE": "PENDING"}
