"""Whatever sequence of edits and deliveries: the schedule ends as if the end state had been planned afresh."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Row, text

from nolapse.domain.states import TRANSITIONS, Status
from nolapse.planning.plan import bounds, plan
from nolapse.planning.policies.activate import activate, roll_back
from nolapse.planning.policies.catalog import DraftId
from nolapse.storage.statements import statement
from tests.conftest import Database
from tests.integration.conftest import NOW, Register

PEOPLE = ["ada", "bob", "cleo", "dan", "eve"]
COLLEAGUES = {
    "ada": ["bob", "cleo"],
    "bob": ["ada", "cleo"],
    "cleo": ["ada", "bob"],
    "dan": ["eve"],
    "eve": ["dan"],
}
LICENCES = {"L0": "ada", "L1": "ada", "L2": "bob", "L3": "cleo", "L4": "dan", "L5": "eve"}
ZONES = [
    None,
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "Pacific/Honolulu",
]
POLICIES = ["default", "east nurses", "birthday"]
TEMPLATES = {"PRIMARY": "primary", "SECONDARY": "secondary", "PAST_DUE": "past_due"}
RECIPIENTS = [["HOLDER"], ["HOLDER", "SUPERVISOR"], ["SUPERVISOR"]]
WINDOWS = [(time(8), time(12)), (time(8), time(19)), (time(9), time(10)), (time(0), time(23, 59))]

WAITING = {Status.PENDING, Status.LATE_PENDING}
DROPPED = {Status.CANCELLED, Status.SUPPRESSED}
TOO_OLD = "window closed before the lookback"

# One step of delivery. A row that was claimed and goes back to waiting has lost its claim; what is late stays late.
STEP = text("""
UPDATE notification_schedule
SET status = :to,
    claimed_at = CASE
      WHEN :to IN ('PENDING', 'LATE_PENDING') THEN NULL WHEN :to = 'QUEUED' THEN CAST(:now AS timestamptz)
      -- a receipt proves an attempt that was given up
      WHEN :to = 'SENT' THEN coalesce(claimed_at, CAST(:now AS timestamptz))
      ELSE claimed_at END,
    attempt_count = attempt_count + CASE :to WHEN 'SENDING' THEN 1 ELSE 0 END,
    late = late OR :to = 'LATE_PENDING',
    next_attempt_at = CASE :to
      WHEN 'PENDING' THEN CAST(:now AS timestamptz) + interval '5 minutes' WHEN 'LATE_PENDING' THEN 'infinity'
      ELSE next_attempt_at END,
    send_by = CASE
      WHEN :to = 'LATE_PENDING' THEN 'infinity' WHEN :to IN ('CANCELLED', 'SUPPRESSED') THEN NULL ELSE send_by END,
    reason = CASE WHEN :to IN ('CANCELLED', 'SUPPRESSED', 'HELD', 'DEFERRED') THEN 'by the test' END,
    updated_at = :now
WHERE (idempotency_key, scheduled_at) = (:key, :scheduled_at)
""")
SCHEDULE = text("""
SELECT schedule.*, subject_id, window_start, person.external_id, licenses.license_number
FROM notification_schedule AS schedule
JOIN clinicians AS person USING (clinician_id)
LEFT JOIN licenses USING (license_id)
ORDER BY scheduled_at, person.external_id, license_number, event, idempotency_key
""")


class Identity(NamedTuple):
    """What is told once."""

    subject_id: UUID
    event: str
    occurrence: str
    clinician_id: UUID


def identity(row: Row[Any]) -> Identity:
    return Identity(row.subject_id, row.event, row.occurrence, row.clinician_id)


def settled(row: Row[Any]) -> bool:
    """Claimed, sent or let go by a human or a rule: the planner leaves it, and plans nothing else in its place."""
    if row.status == Status.CANCELLED:
        return row.claimed_at is not None
    return row.status not in WAITING and not (row.status == Status.SUPPRESSED and row.reason == TOO_OLD)


@dataclass(slots=True)
class Base:
    """One generated history, inside one transaction; `now` is the time of its last planning run."""

    connection: Connection
    now: datetime = NOW

    def rows(self) -> list[Row[Any]]:
        return list(self.connection.execute(SCHEDULE))

    def execute(self, sql: str, **parameters: Any) -> Sequence[Row[Any]]:
        result = self.connection.execute(text(sql), parameters)
        return result.all() if result.returns_rows else []

    def plan(self, clinician_ids: Sequence[UUID] | None = None) -> None:
        plan(
            self.connection,
            bounds(self.now, horizon_months=13, lookback_days=14),
            clinician_ids=clinician_ids,
        )

    def came_back(self) -> set[bytes]:
        """Keys of what has been in flight, or settled, and waits again or did since."""
        rows = self.execute(
            "SELECT DISTINCT decode(split_part(subject, ':', 2), 'hex') AS key FROM audit_log"
            " WHERE to_status IN ('PENDING', 'LATE_PENDING') AND from_status <> 'PENDING'"
        )
        return {row.key for row in rows}

    def plan_person(self, name: str) -> None:
        """What is owed to a person: for their own dates, and for those of the people they supervise."""
        affected = self.execute(
            "SELECT clinician_id FROM clinicians WHERE external_id = :name OR supervisor_id ="
            " (SELECT clinician_id FROM clinicians WHERE external_id = :name)",
            name=name,
        )
        self.plan([row.clinician_id for row in affected])

    def mark_late(self) -> None:
        late_since = self.now - timedelta(days=14)
        self.connection.execute(statement("mark_late"), {"now": self.now, "late_since": late_since})


class Edit(Protocol):
    def apply(self, base: Base) -> None: ...


@dataclass(frozen=True, slots=True)
class LicenceDate:
    number: str
    expires_on: date | None

    def apply(self, base: Base) -> None:
        (holder,) = base.execute(
            "UPDATE licenses SET expires_on = :day WHERE license_number = :number RETURNING clinician_id",
            day=self.expires_on, number=self.number,
        )  # fmt: skip
        base.plan([holder.clinician_id])


@dataclass(frozen=True, slots=True)
class LicenceStatus:
    number: str
    status: str

    def apply(self, base: Base) -> None:
        (holder,) = base.execute(
            "UPDATE licenses SET status = :status WHERE license_number = :number RETURNING clinician_id",
            status=self.status, number=self.number,
        )  # fmt: skip
        base.plan([holder.clinician_id])


@dataclass(frozen=True, slots=True)
class HandOver:
    """A licence to a colleague of its first holder: both are affected."""

    number: str
    turn: int

    def apply(self, base: Base) -> None:
        first = LICENCES[self.number]
        team = [first, *COLLEAGUES[first]]
        (holders,) = base.execute(
            "UPDATE licenses SET clinician_id = person.clinician_id FROM clinicians AS person"
            " WHERE license_number = :number AND external_id = :name"
            " RETURNING old.clinician_id AS former, new.clinician_id AS present",
            number=self.number, name=team[self.turn % len(team)],
        )  # fmt: skip
        base.plan([holders.former, holders.present])


@dataclass(frozen=True, slots=True)
class PersonField:
    """`column` is one of timezone and status."""

    name: str
    column: str
    value: str | None

    def apply(self, base: Base) -> None:
        base.execute(
            f"UPDATE clinicians SET {self.column} = :value WHERE external_id = :name",  # noqa: S608
            value=self.value, name=self.name,
        )  # fmt: skip
        base.plan_person(self.name)


@dataclass(frozen=True, slots=True)
class Supervisor:
    name: str
    turn: int | None

    def apply(self, base: Base) -> None:
        colleagues = COLLEAGUES[self.name]
        boss = None if self.turn is None else colleagues[self.turn % len(colleagues)]
        base.execute(
            "UPDATE clinicians SET supervisor_id = (SELECT clinician_id FROM clinicians WHERE external_id = :boss)"
            " WHERE external_id = :name",
            boss=boss, name=self.name,
        )  # fmt: skip
        base.plan_person(self.name)


@dataclass(frozen=True, slots=True)
class Birthday:
    name: str
    on_date: date | None

    def apply(self, base: Base) -> None:
        base.execute(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " SELECT tenant_id, clinician_id, 'BIRTHDAY', :on_date FROM clinicians WHERE external_id = :name"
            " ON CONFLICT (tenant_id, clinician_id, kind) DO UPDATE SET on_date = excluded.on_date",
            on_date=self.on_date, name=self.name,
        )  # fmt: skip
        base.plan_person(self.name)


@dataclass(frozen=True, slots=True)
class Activation:
    """A new version of a policy; `leads` in the order of its events."""

    policy: str
    leads: Sequence[int]
    recipients: Sequence[str]
    window: tuple[time, time]

    def apply(self, base: Base) -> None:
        events = {"BIRTHDAY": "birthday"} if self.policy == "birthday" else TEMPLATES
        steps = [
            {"event": event, "days": lead, "template": events[event],
             "channels": ["EMAIL"], "recipients": list(self.recipients)}
            for event, lead in zip(events, self.leads, strict=False)
        ]  # fmt: skip
        (draft,) = base.execute(
            "INSERT INTO policy_version (policy_id, version, tenant_id, status, steps, opens, closes)"
            " SELECT policy_id, max(version) + 1, policy.tenant_id, 'DRAFT', CAST(:steps AS jsonb), :opens, :closes"
            " FROM renewal_policies AS policy JOIN policy_version USING (policy_id) WHERE name = :name"
            " GROUP BY policy_id RETURNING policy_id, version",
            name=self.policy, steps=json.dumps(steps), opens=self.window[0], closes=self.window[1],
        )  # fmt: skip
        limits = bounds(base.now, horizon_months=13, lookback_days=14)
        activate(base.connection, [DraftId(draft.policy_id, draft.version)], limits)


@dataclass(frozen=True, slots=True)
class Rollback:
    policy: str

    def apply(self, base: Base) -> None:
        versions = base.execute(
            "SELECT policy_id, former_version FROM renewal_policies JOIN policy_version USING (policy_id)"
            " WHERE name = :name AND status = 'ACTIVE'",
            name=self.policy,
        )
        if versions and versions[0].former_version is not None:
            limits = bounds(base.now, horizon_months=13, lookback_days=14)
            roll_back(base.connection, versions[0].policy_id, limits)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A walk of rows whose window has opened, by the transitions that delivery, a human or a rule may take."""

    walk: Sequence[tuple[int, int]]

    def apply(self, base: Base) -> None:
        for which, whither in self.walk:
            movable = [(row, targets) for row in base.rows() if (targets := self.targets(row, base.now))]
            if not movable:
                return
            row, targets = movable[which % len(movable)]
            base.connection.execute(
                STEP,
                {"to": targets[whither % len(targets)].value, "now": base.now,
                 "key": row.idempotency_key, "scheduled_at": row.scheduled_at},
            )  # fmt: skip

    @staticmethod
    def targets(row: Row[Any], now: datetime) -> list[Status]:
        if row.scheduled_at > now or row.status == Status.CANCELLED:
            return []
        closed = row.late or row.window_end <= now
        # What waits becomes late by catch-up alone, and cancelled by the planner alone.
        barred = {Status.PENDING} if closed else {Status.LATE_PENDING}
        if row.status in WAITING:
            barred = {Status.LATE_PENDING, Status.CANCELLED}
        if row.status == Status.SUPPRESSED:
            barred = barred | WAITING  # a human sends again only what a flag held back
        return sorted(TRANSITIONS[Status(row.status)] - barred)


@dataclass(frozen=True, slots=True)
class Night:
    """Time passes up to a nightly planning run, with or without catch-up before it."""

    hours: int
    catch_up: bool

    def apply(self, base: Base) -> None:
        base.now += timedelta(hours=self.hours)
        if self.catch_up:
            base.mark_late()
        base.plan()


def days_around(*leads: int, within: int = 25) -> st.SearchStrategy[date]:
    """Dates of which a reminder falls near the present."""
    return st.builds(
        lambda lead, offset: NOW.date() + timedelta(days=offset - lead),
        st.sampled_from(leads), st.integers(-within, within),
    )  # fmt: skip


EXPIRIES = days_around(-90, -30, 7, 0)
BIRTHS = st.builds(
    lambda day, year: day.replace(year=year), days_around(0), st.sampled_from([1960, 1984, 2000])
) | st.just(date(1992, 2, 29))
PERSON, LICENCE, TURN = st.sampled_from(PEOPLE), st.sampled_from(sorted(LICENCES)), st.integers(0, 3)
EDITS = st.one_of(
    st.builds(LicenceDate, LICENCE, st.none() | EXPIRIES),
    st.builds(LicenceStatus, LICENCE, st.sampled_from(["ENDED", "ACTIVE"])),
    st.builds(HandOver, LICENCE, TURN),
    st.builds(PersonField, PERSON, st.just("timezone"), st.sampled_from(ZONES)),
    st.builds(
        PersonField, PERSON, st.just("status"), st.sampled_from(["LEFT", "DECEASED", "ACTIVE", "ACTIVE"])
    ),
    st.builds(Supervisor, PERSON, st.none() | TURN),
    st.builds(Birthday, PERSON, st.none() | BIRTHS),
    st.builds(
        Activation,
        st.sampled_from(POLICIES),
        st.lists(st.sampled_from([-90, -30, -7, -1, 0, 1, 7, 20]), min_size=1, max_size=3),
        st.sampled_from(RECIPIENTS),
        st.sampled_from(WINDOWS),
    ),
    st.builds(Rollback, st.sampled_from(POLICIES)),
)
PASSING = st.one_of(
    st.builds(Night, st.sampled_from([5, 12, 15, 24, 75, 400]), st.booleans()),
    st.builds(Delivery, st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5)), min_size=1, max_size=6)),
)
HISTORIES = st.lists(st.one_of(EDITS, PASSING), min_size=3, max_size=14)


@pytest.fixture
def populated(database: Database) -> Database:
    """Two tenants, five people with birthdays, six licences; one tenant has a policy of its own."""
    register = Register(database)
    register.execute("SELECT ensure_schedule_partitions('2026-01-01', '2028-12-31')")
    tenants = {
        name: tenant
        for tenant, names in (
            (register.tenant("east"), PEOPLE[:3]),
            (register.tenant("west", "America/Los_Angeles"), PEOPLE[3:]),
        )
        for name in names
    }
    people = {name: register.clinician(tenant, name) for name, tenant in tenants.items()}
    for offset, (number, name) in enumerate(LICENCES.items()):
        expires_on = NOW.date() + timedelta(days=(29, -6, 91, 31, 30, 120)[offset])
        register.license(tenants[name], people[name], expires_on, number=number)
    for offset, name in enumerate(PEOPLE):
        born = (NOW.date() + timedelta(days=offset)).replace(year=1980)
        register.execute(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " VALUES (:tenant, :who, 'BIRTHDAY', :born)",
            tenant=tenants[name], who=people[name], born=born,
        )  # fmt: skip
    register.execute(
        "UPDATE clinicians SET supervisor_id = :boss WHERE external_id = 'bob'", boss=people["ada"]
    )
    register.execute(
        "WITH made AS (INSERT INTO renewal_policies (tenant_id, license_type, name)"
        "  VALUES (:tenant, 'RN', 'east nurses') RETURNING policy_id)"
        " INSERT INTO policy_version (policy_id, version, tenant_id, status, steps)"
        " SELECT made.policy_id, 1, :tenant, 'ACTIVE', steps FROM made, renewal_policies"
        " JOIN policy_version USING (policy_id) WHERE name = 'default'",
        tenant=tenants["ada"],
    )
    return database


@given(history=HISTORIES)
@settings(
    max_examples=30,
    suppress_health_check=list(HealthCheck),
    # Shrinking could outlast the test's timeout; a history of so few steps reads as it is.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_any_sequence_of_edits_ends_in_the_schedule_of_its_end_state(
    populated: Database, history: list[Edit]
) -> None:
    with populated.engine.connect() as connection:
        base = Base(connection)
        base.plan()
        for edit in history:
            before = base.rows()
            edit.apply(base)
            if not isinstance(edit, Delivery):
                assert_settled_rows_stay(before, base.rows())
            assert_told_once(base.rows())
        assert_cancellations_are_explained(base)
        assert_equals_a_fresh_plan(base)
        connection.rollback()


def assert_settled_rows_stay(before: list[Row[Any]], after: list[Row[Any]]) -> None:
    """Sent rows are never touched, rows in flight never overwritten."""
    stored = {row.idempotency_key: row for row in after}
    assert [row for row in before if settled(row) and stored.get(row.idempotency_key) != row] == []


def assert_told_once(rows: list[Row[Any]]) -> None:
    live = [identity(row) for row in rows if row.status not in DROPPED]
    assert len(live) == len(set(live))


def assert_cancellations_are_explained(base: Base) -> None:
    """By a reason of their own, and by an audit entry that gives the same."""
    audited = {
        (row.subject, row.reason)
        for row in base.execute("SELECT subject, reason FROM audit_log WHERE to_status = 'CANCELLED'")
    }
    for row in base.rows():
        if row.status == Status.CANCELLED:
            assert row.reason
            assert (f"notification:{row.idempotency_key.hex()}", row.reason) in audited


def assert_equals_a_fresh_plan(base: Base) -> None:
    """Row by row, by key: subject, recipient, instants, policy, channels and state.

    A schedule with a history may differ from a fresh one in this, and nothing else:
    - What was settled (claimed, sent, or let go by a human or a rule) stays, and is not planned again wherever its
      identity is expected now.
    - A row that was dropped as too old is final; fresh, a policy with later hours could make its instant count.
      Dropped rows that nothing expects any more are history, and what is expected and too old may have been dropped
      at another instant of the same identity: these are compared by identity.
    - A window that passes becomes late by catch-up, not by planning: so catch-up runs before the comparison.
    - What was late stays late although a policy with later hours reopens its window.
    - What was in flight as an edit ended it, and came back since, is ended by the next whole plan.
    """
    base.mark_late()
    edited = base.rows()
    base.plan()
    kept = base.rows()
    assert all(ended.status == Status.CANCELLED for ended in kept if ended not in edited)
    assert {row.idempotency_key for row in edited if row not in kept} <= base.came_back()
    base.plan()
    assert base.rows() == kept  # replanning is idempotent

    savepoint = base.connection.begin_nested()
    base.execute("DELETE FROM notification_schedule")
    base.plan()
    afresh = base.rows()
    savepoint.rollback()

    told = {identity(row) for row in kept if settled(row)}
    final = {row.idempotency_key for row in kept if row.status == Status.SUPPRESSED}
    wanted = {
        row.idempotency_key: row
        for row in afresh
        if row.status in WAITING and identity(row) not in told and row.idempotency_key not in final
    }
    waiting = {row.idempotency_key: row for row in kept if row.status in WAITING}
    assert {key: content(row) for key, row in waiting.items()} == {
        key: content(row) for key, row in wanted.items()
    }
    for key, row in waiting.items():
        assert row.status == wanted[key].status or (row.status, wanted[key].status) == (
            "LATE_PENDING",
            "PENDING",
        )
    dropped = {identity(row) for row in afresh if row.status == Status.SUPPRESSED}
    assert dropped <= told | {identity(row) for row in kept if row.status == Status.SUPPRESSED}


def content(row: Row[Any]) -> tuple[object, ...]:
    """All but the state and its times, which retries and late windows move."""
    return (
        identity(row), row.tenant_id, row.scheduled_at, row.window_end, row.occasion, row.occasion_date,
        row.template, row.channels, row.policy_id, row.policy_version,
    )  # fmt: skip


BORN_TODAY = date(1980, 10, 26)


def person_born(register: Register, on_date: date) -> UUID:
    tenant = register.tenant(timezone="UTC")
    clinician = register.clinician(tenant)
    register.execute(
        "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date) VALUES (:tenant, :who, 'BIRTHDAY', :born)",
        tenant=tenant, who=clinician, born=on_date,
    )  # fmt: skip
    register.plan()
    return clinician


def birthdays(register: Register) -> list[tuple[object, ...]]:
    return register.rows(
        "SELECT occurrence, CAST(scheduled_at AS date), status FROM notification_schedule"
        " ORDER BY scheduled_at, status"
    )


@pytest.mark.parametrize(
    "moved_to", [date(1980, 10, 20), date(1980, 11, 3), date(1975, 10, 27), date(1980, 10, 26)]
)
def test_a_birthday_edited_on_its_day_is_not_told_twice_in_the_year(
    register: Register, moved_to: date
) -> None:
    clinician = person_born(register, BORN_TODAY)
    for status in ("QUEUED", "SENDING", "SENT"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :now, updated_at = :now"
            " WHERE occurrence = '2026'",
            status=status, now=NOW + timedelta(hours=9),
        )  # fmt: skip

    register.execute("UPDATE person_dates SET on_date = :day", day=moved_to)
    register.plan(NOW + timedelta(hours=10), clinician_ids=[clinician])

    told = [row for row in birthdays(register) if row[2] != "CANCELLED"]
    assert told == [
        ("2026", date(2026, 10, 26), "SENT"),
        ("2027", moved_to.replace(year=2027), "PENDING"),
    ]


def test_a_birthday_edited_from_a_coming_to_a_past_day_is_told_late(register: Register) -> None:
    clinician = person_born(register, date(1980, 11, 20))

    register.execute("UPDATE person_dates SET on_date = '1980-10-20'")
    register.plan(clinician_ids=[clinician])

    assert birthdays(register) == [
        ("2026", date(2026, 10, 20), "LATE_PENDING"),
        ("2026", date(2026, 11, 20), "CANCELLED"),
        ("2027", date(2027, 10, 20), "PENDING"),
        ("2027", date(2027, 11, 20), "CANCELLED"),
    ]


def test_a_birthday_edited_to_a_day_before_the_lookback_is_told_next_year(register: Register) -> None:
    clinician = person_born(register, date(1980, 11, 20))

    register.execute("UPDATE person_dates SET on_date = '1980-10-01'")
    register.plan(clinician_ids=[clinician])

    assert [row for row in birthdays(register) if row[2] != "CANCELLED"] == [
        ("2027", date(2027, 10, 1), "PENDING")
    ]


def test_a_removed_birthday_is_cancelled_with_its_reason_and_comes_back(register: Register) -> None:
    clinician = person_born(register, date(1980, 11, 20))

    register.execute("UPDATE person_dates SET on_date = NULL")
    register.plan(clinician_ids=[clinician])
    assert register.rows("SELECT DISTINCT status, reason FROM notification_schedule") == [
        ("CANCELLED", "date removed")
    ]

    register.execute("UPDATE person_dates SET on_date = '1980-11-20'")
    assert register.plan(clinician_ids=[clinician]).counts == {"revived_pending": 2}


@pytest.mark.parametrize(
    ("leap_day", "common_year"), [("FEB_28", date(2027, 2, 28)), ("MAR_1", date(2027, 3, 1))]
)
def test_a_person_born_on_february_29_has_one_birthday_a_year(
    register: Register, leap_day: str, common_year: date
) -> None:
    register.execute(
        "UPDATE policy_version SET leap_day = :leap_day FROM renewal_policies AS policy"
        " WHERE policy.policy_id = policy_version.policy_id AND occasion = 'BIRTHDAY'",
        leap_day=leap_day,
    )
    clinician = person_born(register, date(1992, 2, 29))
    assert birthdays(register) == [("2027", common_year, "PENDING")]

    register.plan(datetime(2027, 12, 1, tzinfo=UTC), clinician_ids=[clinician])
    assert birthdays(register)[1:] == [("2028", date(2028, 2, 29), "PENDING")]


def test_february_29_edited_to_march_1_after_it_was_told_is_not_told_again(register: Register) -> None:
    clinician = person_born(register, date(1992, 2, 29))
    at = datetime(2027, 2, 28, 10, tzinfo=UTC)
    for status in ("QUEUED", "SENDING", "SENT"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :at, updated_at = :at",
            status=status, at=at,
        )  # fmt: skip

    register.execute("UPDATE person_dates SET on_date = '1992-03-01'")
    register.plan(at, clinician_ids=[clinician])

    assert birthdays(register) == [
        ("2027", date(2027, 2, 28), "SENT"),
        ("2028", date(2028, 3, 1), "PENDING"),
    ]


def test_what_is_late_stays_late_where_later_hours_reopen_its_window(register: Register) -> None:
    tenant = register.tenant(timezone="UTC")
    register.license(tenant, register.clinician(tenant), NOW.date() + timedelta(days=90))
    register.plan()
    after_noon = NOW + timedelta(hours=13)
    with register.database.engine.begin() as connection:
        Base(connection, after_noon).mark_late()

    with register.database.engine.begin() as connection:
        Activation("default", [-90, -30, 7], ["HOLDER"], (time(8), time(19))).apply(
            Base(connection, after_noon)
        )

    assert register.rows(
        "SELECT status, window_end, send_by = 'infinity' FROM notification_schedule WHERE event = 'PRIMARY'"
    ) == [("LATE_PENDING", NOW + timedelta(hours=19), True)]


def test_what_a_human_let_go_is_not_planned_at_another_instant(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2027, 1, 20))
    register.plan()
    for status in ("QUEUED", "SENDING", "UNKNOWN", "HELD", "CANCELLED"):
        register.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :now, updated_at = :now,"
            " reason = CASE WHEN :status IN ('HELD', 'CANCELLED') THEN 'by hand' END,"
            " send_by = CASE WHEN :status = 'CANCELLED' THEN NULL ELSE send_by END WHERE event = 'PRIMARY'",
            status=status, now=NOW,
        )  # fmt: skip

    register.execute("UPDATE clinicians SET timezone = 'America/Los_Angeles'")
    register.plan()

    assert register.rows("SELECT status, reason FROM notification_schedule WHERE event = 'PRIMARY'") == [
        ("CANCELLED", "by hand")
    ]
