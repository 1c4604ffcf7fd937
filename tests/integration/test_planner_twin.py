"""The set-based planner against its pure-Python twin: whole generated bases, row by row, on real PostgreSQL."""

import calendar
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from nolapse.domain.calendar import Occasion, Person, Policy, Step, expected_notifications
from nolapse.domain.zones import zone_names
from nolapse.planning.plan import Bounds, bounds, plan
from nolapse.storage.zones import zone_periods
from tests.conftest import Database

FIRST_EXPIRY, LAST_EXPIRY = date(1970, 1, 1), date(2040, 12, 31)
LAST_PARTITION = date(2035, 12, 31)
TENANT_ZONE = "America/New_York"
TEMPLATES = {"PRIMARY": "primary", "SECONDARY": "secondary", "PAST_DUE": "past_due"}
# Ordinary ones, shorter than a change of clocks, inside gaps and overlaps, and as long as a day.
WINDOWS = [
    (time(8), time(12)),
    (time(0), time(0, 30)),
    (time(0), time(23, 59)),
    (time(0, 30), time(1, 30)),
    (time(1), time(2)),
    (time(1, 59), time(3, 1)),
    (time(2), time(3)),
    (time(2, 30), time(3, 15)),
    (time(2, 59), time(23, 59)),
    (time(23), time(23, 59)),
]

RECIPIENTS = [("HOLDER",), ("HOLDER",), ("SUPERVISOR",), ("HOLDER", "SUPERVISOR")]

Row = tuple[bytes, datetime, datetime, str, str]


@dataclass(frozen=True, slots=True)
class Licence:
    """`zone` None: the tenant's. `policy` is an index into the base's policies.

    The holder has a birthday too, and answers to the holder of the licence numbered `supervisor`.
    """

    zone: str | None
    expires_on: date
    policy: int
    born: date = date(1980, 2, 29)
    supervisor: int | None = None


@dataclass(frozen=True, slots=True)
class Base:
    policies: Sequence[Policy]
    birthdays: Policy
    licences: Sequence[Licence]
    now: datetime
    horizon_months: int

    @property
    def bounds(self) -> Bounds:
        return bounds(self.now, horizon_months=self.horizon_months, lookback_days=14)


@cache
def changes() -> list[tuple[str, datetime]]:
    """Every change of any zone's clocks in local time; those in the morning, when messages leave, thrice."""
    found = [
        (period.zone, period.local_from)
        for zone in sorted(zone_names())
        for period in zone_periods(zone)
        if FIRST_EXPIRY.year <= period.local_from.year <= LAST_PARTITION.year
    ]
    return found + 2 * [(zone, at) for zone, at in found if 3 <= at.hour <= 13]


@cache
def odd_days() -> list[date]:
    """Last and first days of months, and every Feb 28 and 29."""
    return [
        date(year, month, day)
        for year in range(FIRST_EXPIRY.year, LAST_EXPIRY.year + 1)
        for month in range(1, 13)
        for day in {1, 28, calendar.monthrange(year, month)[1]}
    ]


def policies_within(days: int) -> st.SearchStrategy[Policy]:
    return st.builds(
        lambda events, leads, recipients, window, pause_days, leap_day: Policy(
            [
                Step(event, lead, TEMPLATES[event], told)
                for event, lead, told in zip(events, leads, recipients, strict=False)
            ],
            *window,
            pause_days=pause_days,
            leap_day=leap_day,
        ),
        st.permutations(list(TEMPLATES)),
        st.lists(st.integers(-days, days), min_size=1, max_size=3),
        st.lists(st.sampled_from(RECIPIENTS), min_size=3, max_size=3),
        st.sampled_from(WINDOWS),
        st.integers(0, 60),
        st.sampled_from(["FEB_28", "MAR_1"]),
    )


policies = policies_within(400)


@st.composite
def licences(draw: st.DrawFn, policies: Sequence[Policy]) -> Licence:
    born = draw(st.sampled_from(odd_days()) | st.dates(date(1930, 1, 1), date(2026, 12, 31)))
    supervisor = draw(st.none() | st.integers(0, 59))
    return replace(draw(dated_licences(policies)), born=born, supervisor=supervisor)


@st.composite
def dated_licences(draw: st.DrawFn, policies: Sequence[Policy]) -> Licence:
    index = draw(st.integers(0, len(policies) - 1))
    match draw(st.sampled_from(["change", "change", "odd day", "any day"])):
        case "change":
            # A reminder, not the expiry, falls on the day of the change, or next to it.
            zone, at = draw(st.sampled_from(changes()))
            days = policies[index].steps[0].days + draw(st.integers(-1, 1))
            expires_on = min(max(at.date() - timedelta(days=days), FIRST_EXPIRY), LAST_EXPIRY)
            return Licence(zone, expires_on, index)
        case "odd day":
            expires_on = draw(st.sampled_from(odd_days()))
        case _:
            expires_on = draw(st.dates(FIRST_EXPIRY, LAST_EXPIRY))
    return Licence(draw(st.none() | st.sampled_from(sorted(zone_names()))), expires_on, index)


@st.composite
def bases(draw: st.DrawFn) -> Base:
    made = draw(st.lists(policies, min_size=4, max_size=10))
    return Base(
        policies=made,
        birthdays=draw(policies_within(350)),
        licences=draw(st.lists(licences(made), min_size=60, max_size=120)),
        now=draw(st.datetimes(datetime(2026, 6, 1), datetime(2028, 6, 1), timezones=st.just(UTC))),  # noqa: DTZ001
        horizon_months=draw(st.sampled_from([1, 13, 80])),
    )


@pytest.fixture
def years_ahead(database: Database) -> Database:
    """With partitions for as long as the longest horizon, so that the rules of coming years count too."""
    with database.engine.begin() as connection:
        connection.execute(
            text("SELECT ensure_schedule_partitions('2026-01-01', :until)"), {"until": LAST_PARTITION}
        )
    return database


@given(base=bases())
@settings(
    max_examples=25,
    suppress_health_check=list(HealthCheck),
    # Shrinking a base takes a planning run a step; the rows that differ say enough.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_the_planner_and_its_twin_agree_on_every_row(years_ahead: Database, base: Base) -> None:
    with years_ahead.engine.connect() as connection:
        register(connection, base)

        report = plan(connection, base.bounds)

        twin = sorted(twin_rows(connection, base))
        assert planned_rows(connection) == twin
        assert report.changed("inserted") == sum(report.rows.values()) == len(twin)
        assert statuses_are_right(connection, base)
        assert plan(connection, base.bounds).counts == {}
        connection.rollback()


def register(connection: Connection, base: Base) -> None:
    """One tenant, a clinician for each licence, and a kind of licence for each policy."""
    tenant = connection.scalar(
        text(
            "INSERT INTO tenants (slug, name, timezone, contact_email)"
            " VALUES ('clinic', 'clinic', :zone, 'desk@clinic.test') RETURNING tenant_id"
        ),
        {"zone": TENANT_ZONE},
    )
    every = [*base.policies, base.birthdays]
    connection.execute(
        text("""
        WITH given AS (
          SELECT * FROM unnest(
            CAST(:occasions AS text[]), CAST(:kinds AS text[]), CAST(:steps AS text[]), CAST(:opens AS time[]),
            CAST(:closes AS time[]), CAST(:pauses AS integer[]), CAST(:leap_days AS text[])
          ) AS given (occasion, kind, steps, opens, closes, pause_days, leap_day)
        ),
        made AS (
          INSERT INTO renewal_policies (tenant_id, occasion, license_type, name)
          SELECT :tenant, occasion, kind, 'x' FROM given RETURNING policy_id, license_type
        )
        INSERT INTO policy_version (
          policy_id, version, tenant_id, status, steps, opens, closes, grace_days, leap_day)
        SELECT policy_id, 1, :tenant, 'ACTIVE', CAST(steps AS jsonb), opens, closes, pause_days, leap_day
        FROM given JOIN made ON license_type IS NOT DISTINCT FROM kind"""),
        {
            "tenant": tenant,
            "occasions": ["LICENSE_EXPIRY"] * len(base.policies) + ["BIRTHDAY"],
            "kinds": [*(f"kind {number}" for number in range(len(base.policies))), None],
            "steps": [json.dumps([as_json(step) for step in policy.steps]) for policy in every],
            "opens": [policy.opens for policy in every],
            "closes": [policy.closes for policy in every],
            "pauses": [policy.pause_days for policy in every],
            "leap_days": [policy.leap_day for policy in every],
        },
    )
    connection.execute(
        text("""
        WITH given AS (
          SELECT * FROM unnest(CAST(:zones AS text[]), CAST(:dates AS date[]), CAST(:kinds AS text[]))
            WITH ORDINALITY AS given (zone, expires_on, kind, number)
        ),
        people AS (
          INSERT INTO clinicians (tenant_id, external_id, full_name, timezone)
          SELECT :tenant, number, 'Ada', zone FROM given RETURNING clinician_id, external_id
        ),
        birthdays AS (
          INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)
          SELECT :tenant, clinician_id, 'BIRTHDAY', born
          FROM people
          JOIN unnest(CAST(:births AS date[])) WITH ORDINALITY AS birth (born, number)
            ON external_id = CAST(number AS text)
        )
        INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)
        SELECT :tenant, clinician_id, kind, 'NY', number, expires_on
        FROM given JOIN people ON external_id = CAST(number AS text)"""),
        {
            "tenant": tenant,
            "zones": [licence.zone for licence in base.licences],
            "dates": [licence.expires_on for licence in base.licences],
            "kinds": [f"kind {licence.policy}" for licence in base.licences],
            "births": [licence.born for licence in base.licences],
        },
    )
    connection.execute(
        text("""
        UPDATE clinicians SET supervisor_id = boss.clinician_id
        FROM unnest(CAST(:supervisors AS integer[])) WITH ORDINALITY AS given (supervisor, number)
        JOIN clinicians AS boss ON boss.external_id = CAST(supervisor + 1 AS text)
        WHERE clinicians.external_id = CAST(number AS text) AND boss.clinician_id <> clinicians.clinician_id"""),
        {"supervisors": [licence.supervisor for licence in base.licences]},
    )


def as_json(step: Step) -> dict[str, Any]:
    return {
        "event": step.event,
        "days": step.days,
        "template": step.template,
        "channels": ["EMAIL"],
        "recipients": list(step.recipients),
    }


def planned_rows(connection: Connection) -> list[Row]:
    rows: Iterable[Any] = connection.execute(
        text(
            "SELECT idempotency_key, scheduled_at, window_end, event, template FROM notification_schedule"
            " ORDER BY idempotency_key"
        )
    )
    return [tuple(row) for row in rows]


def twin_rows(connection: Connection, base: Base) -> Iterator[Row]:
    ids = connection.execute(
        text("""
        SELECT clinician_id, license_id, person_date_id
        FROM licenses JOIN person_dates USING (clinician_id)
        ORDER BY CAST(license_number AS integer)""")
    ).all()
    people = [
        Person(row.clinician_id, licence.zone or TENANT_ZONE)
        for licence, row in zip(base.licences, ids, strict=True)
    ]
    for number, (licence, row) in enumerate(zip(base.licences, ids, strict=True)):
        holder = people[number]
        boss = None if licence.supervisor in {None, number} else people[licence.supervisor or 0]
        expiry = Occasion(row.license_id, licence.expires_on, holder, boss)
        birthday = Occasion(row.person_date_id, licence.born, holder, boss, yearly=True)
        for occasion, policy in ((expiry, base.policies[licence.policy]), (birthday, base.birthdays)):
            for expected in expected_notifications(
                occasion, policy, since=base.bounds.late_since, until=base.bounds.horizon
            ):
                window = expected.window
                yield (
                    expected.idempotency_key, window.start, window.end, expected.event, expected.template
                )  # fmt: skip


def statuses_are_right(connection: Connection, base: Base) -> bool:
    """Whether every row waits, is late or was dropped according to when its window closed."""
    rows = connection.execute(
        text("SELECT window_end, status, next_attempt_at, send_by, scheduled_at FROM notification_schedule")
    )
    for window_end, status, next_attempt_at, send_by, scheduled_at in rows:
        if window_end > base.now:
            right = (status, next_attempt_at, send_by) == ("PENDING", scheduled_at, window_end)
        elif window_end > base.bounds.late_since:
            right = status == "LATE_PENDING"
        else:
            right = (status, send_by) == ("SUPPRESSED", None)
        if not right:
            return False
    return True
