"""Policies by the twin's book and by SQL: the same version, the same working day, the same rows."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from nolapse.domain.calendar import Occasion, Person, expected_notifications
from nolapse.planning.plan import bounds
from nolapse.storage.days_off import fill_days_off
from nolapse.storage.policies import load_policies
from nolapse.storage.statements import statement
from tests.conftest import Database
from tests.integration.conftest import Register

NOW = datetime(2026, 10, 26, tzinfo=UTC)
LIMITS = bounds(NOW, horizon_months=13, lookback_days=14)
CALENDARS = ["US", "US-CA", "US-NY", "US-TX", "US-LA", "US-HI", "US-PR", "CA-ON", "GB-ENG", "DE-BY"]


@dataclass(frozen=True, slots=True)
class Shift:
    """One policy of one step that falls on `day`, before or after an expiry that is `days` away from it."""

    day: date
    days: int
    pause: int
    direction: str
    calendar: str

    @property
    def expires_on(self) -> date:
        return self.day - timedelta(days=self.days + (self.pause if self.days > 0 else 0))


shifts = st.builds(
    Shift,
    day=st.dates(date(2025, 2, 1), date(2027, 11, 1)),
    days=st.integers(-400, 400),
    pause=st.integers(0, 60),
    direction=st.sampled_from(["BEFORE", "AFTER", "ANY"]),
    calendar=st.sampled_from(CALENDARS),
)


@given(given_shifts=st.lists(shifts, min_size=40, max_size=80))
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_working_days_agree_with_the_twin(database: Database, given_shifts: list[Shift]) -> None:
    with database.engine.connect() as connection:
        arrange(connection, given_shifts)
        fill_days_off(connection, NOW)

        expected = statement_rows(connection)
        twin = twin_rows(connection)

        connection.rollback()
    assert expected == twin
    assert len(twin) > 0


def arrange(connection: Connection, given_shifts: list[Shift]) -> None:
    """A tenant, and for each shift a person, a licence of a type of its own, and that type's policy."""
    tenant = connection.scalar(
        text(
            "INSERT INTO tenants (slug, name, timezone, contact_email)"
            " VALUES ('clinic', 'clinic', 'America/New_York', 'desk@clinic.test') RETURNING tenant_id"
        )
    )
    for number, shift in enumerate(given_shifts):
        parameters = {
            "tenant": tenant, "kind": f"kind {number}", "pause": shift.pause, "direction": shift.direction,
            "calendar": shift.calendar, "expires_on": shift.expires_on,
            "steps": json.dumps([{"event": "PRIMARY", "days": shift.days, "template": "primary",
                                  "channels": ["EMAIL"], "recipients": ["HOLDER"]}]),
        }  # fmt: skip
        connection.execute(
            text("""
            WITH policy AS (
              INSERT INTO renewal_policies (tenant_id, license_type, name) VALUES (:tenant, :kind, :kind)
              RETURNING policy_id
            ),
            made AS (
              INSERT INTO policy_version
                (policy_id, version, tenant_id, status, steps, buffer_days, business_days, holidays)
              SELECT policy_id, 1, :tenant, 'ACTIVE', CAST(:steps AS jsonb), :pause, :direction, :calendar FROM policy
            ),
            person AS (
              INSERT INTO clinicians (tenant_id, external_id, full_name) VALUES (:tenant, :kind, 'Ada')
              RETURNING clinician_id
            )
            INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)
            SELECT :tenant, clinician_id, :kind, 'NY', :kind, :expires_on FROM person"""),
            parameters,
        )


def statement_rows(connection: Connection) -> list[tuple[object, ...]]:
    return sorted(expected(connection, "license_id, scheduled_at, window_end, idempotency_key"))


def expected(connection: Connection, columns: str, **scope: object) -> list[tuple[Any, ...]]:
    """What the planner's own CTEs call for."""
    sql = f"WITH {statement('expected').text} SELECT {columns} FROM expected ORDER BY scheduled_at"  # noqa: S608
    parameters = {
        "now": LIMITS.now, "horizon": LIMITS.horizon, "late_since": LIMITS.late_since,
        "tenant_id": None, "clinician_ids": None, "drafts": [], **scope,
    }  # fmt: skip
    used = {name: value for name, value in parameters.items() if f":{name}" in sql}
    return [tuple(row) for row in connection.execute(text(sql), used)]


def twin_rows(connection: Connection) -> list[tuple[object, ...]]:
    book = load_policies(connection)
    rows = connection.execute(
        text("SELECT tenant_id, clinician_id, license_id, license_type, state, expires_on FROM licenses")
    ).all()
    return sorted(
        (license_id, found.window.start, found.window.end, found.idempotency_key)
        for tenant, person, license_id, license_type, state, expires_on in rows
        for found in expected_notifications(
            Occasion(license_id, expires_on, Person(person, "America/New_York")),
            book.for_(tenant, "LICENSE_EXPIRY", license_type, state),
            since=LIMITS.late_since,
            until=LIMITS.horizon,
        )
    )


@pytest.mark.parametrize("drafted", [False, True])
def test_the_book_chooses_the_version_that_the_planner_chooses(register: Register, drafted: bool) -> None:
    """Every combination of what a policy may name, each with a lead of its own; half of them taken away again."""
    tenant, other = register.tenant(), register.tenant("other")
    kinds = list(product((None, tenant), (None, "RN"), (None, "NY")))[
        1:
    ]  # the first is the platform's default
    for left_out in (0, 1):
        register.execute("UPDATE policy_version SET status = 'RETIRED' WHERE policy_id IN"
                         " (SELECT policy_id FROM renewal_policies WHERE name LIKE 'lead%')")  # fmt: skip
        for number, (owner, license_type, state) in enumerate(kinds[left_out::2]):
            add_policy(register, owner, license_type, state, lead=-10 * (number + 1 + 10 * left_out))
        with register.database.engine.connect() as connection:
            drafts = connection.scalars(
                text("SELECT policy_id FROM policy_version WHERE status = 'DRAFT' AND :drafted"),
                {"drafted": drafted},
            ).all()
            book = load_policies(connection, drafts)
            for owner, license_type, state in product((tenant, other), ("RN", "MD"), ("NY", "CA", None)):
                chosen = planner_chooses(connection, owner, license_type, state, list(drafts))
                policy = book.for_(owner, "LICENSE_EXPIRY", license_type, state)
                assert [item.days for item in policy.steps] == chosen
                assert book.for_(owner, "LICENSE_EXPIRY", license_type, state) is policy


def test_a_kind_without_a_policy_calls_for_nothing(register: Register) -> None:
    tenant = register.tenant()
    with register.database.engine.connect() as connection:
        assert load_policies(connection).for_(tenant, "ORIENTATION").steps == ()


def add_policy(
    register: Register, tenant: object, license_type: str | None, state: str | None, *, lead: int
) -> None:
    register.execute(
        """
        WITH made AS (
          INSERT INTO renewal_policies (tenant_id, license_type, state, name)
          VALUES (CAST(:tenant AS uuid), CAST(:license_type AS text), CAST(:state AS text), :name)
          RETURNING policy_id
        )
        INSERT INTO policy_version (policy_id, version, tenant_id, status, steps)
        SELECT policy_id, version, CAST(:tenant AS uuid), status, CAST(steps AS jsonb)
        FROM made, unnest(ARRAY[1, 2], ARRAY['ACTIVE', 'DRAFT'], CAST(:steps AS text[]))
          AS given (version, status, steps)
        """,
        tenant=tenant, license_type=license_type, state=state, name=f"lead {lead}",
        steps=[json.dumps([{"event": "PRIMARY", "days": days, "template": "primary", "channels": ["EMAIL"],
                            "recipients": ["HOLDER"]}]) for days in (lead, lead - 1)],
    )  # fmt: skip


def planner_chooses(
    connection: Connection, tenant: object, license_type: str, state: str | None, drafts: list[object]
) -> list[int]:
    """The leads of the rows that the planner's own statement makes for a licence of this kind."""
    with connection.begin_nested() as savepoint:
        expires_on = date(2027, 6, 30)
        person = connection.scalar(
            text("INSERT INTO clinicians (tenant_id, external_id, full_name) VALUES (:tenant, 'x', 'x')"
                 " RETURNING clinician_id"), {"tenant": tenant},
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)"
                 " VALUES (:tenant, :person, :license_type, CAST(:state AS text), 'x', :expires_on)"),
            {"tenant": tenant, "person": person, "license_type": license_type, "state": state,
             "expires_on": expires_on},
        )  # fmt: skip
        rows = expected(connection, "CAST(scheduled_at AS date)", clinician_ids=[person], drafts=drafts)
        savepoint.rollback()
    return [(day - expires_on).days for (day,) in rows]
