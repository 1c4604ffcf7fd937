"""What would be sent: equal to the twin, exact about what will not fit, and without a trace in the schedule."""

import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from typer.testing import CliRunner

from cli.main import app
from nolapse.domain.calendar import Occasion, Person, Policy, Step, expected_notifications
from nolapse.domain.feasibility import Day, Demand, Misfit
from nolapse.planning.simulate import NoSuchDraft, drafts_named, simulate
from tests.integration.conftest import NOW, Register

UNTIL = datetime(2027, 10, 26, tzinfo=UTC)
ZONES = ("America/New_York", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata", "America/St_Johns")
LICENCES = Policy(
    [
        Step("PRIMARY", -90, "primary"),
        Step("SECONDARY", -30, "secondary", ["HOLDER", "SUPERVISOR"]),
        Step("PAST_DUE", 7, "past_due"),
    ],
    pause_days=5,
)
BIRTHDAYS = Policy([Step("BIRTHDAY", 0, "birthday")], opens=time(9), leap_day="MAR_1")
# 08:00 to 12:00 in New York (EST) and in Chicago (CST).
NEW_YORK = (datetime(2027, 1, 31, 13, tzinfo=UTC), datetime(2027, 1, 31, 17, tzinfo=UTC))
CHICAGO = (datetime(2027, 1, 31, 14, tzinfo=UTC), datetime(2027, 1, 31, 18, tzinfo=UTC))
EMAIL_10 = {"EMAIL": 10}


def policy(
    register: Register,
    tenant: UUID,
    policy: Policy,
    *,
    name: str,
    occasion: str = "LICENSE_EXPIRY",
    status: str = "ACTIVE",
    version: int = 1,
) -> None:
    steps = [
        {
            "event": step.event, "days": step.days, "template": step.template, "channels": ["EMAIL"],
            "recipients": list(step.recipients),
        }
        for step in policy.steps
    ]  # fmt: skip
    register.execute(
        "INSERT INTO renewal_policies (tenant_id, occasion, name) VALUES (:tenant, :occasion, :name)"
        " ON CONFLICT DO NOTHING",
        tenant=tenant,
        occasion=occasion,
        name=name,
    )
    register.execute(
        "INSERT INTO policy_version (policy_id, version, tenant_id, status, steps, opens, closes, leap_day, grace_days)"
        " SELECT policy_id, :version, :tenant, :status, CAST(:steps AS jsonb), :opens, :closes, :leap_day, :pause_days"
        " FROM renewal_policies WHERE tenant_id = :tenant AND name = :name",
        tenant=tenant,
        name=name,
        status=status,
        version=version,
        steps=json.dumps(steps),
        opens=policy.opens,
        closes=policy.closes,
        leap_day=policy.leap_day,
        pause_days=policy.pause_days,
    )


def many_licences(register: Register, tenant: UUID, count: int, expires_on: date, zone: str) -> None:
    register.execute(
        """WITH people AS (
             INSERT INTO clinicians (tenant_id, external_id, full_name, timezone)
             SELECT :tenant, CAST(:zone AS text) || number, 'Ada', :zone FROM generate_series(1, :count) AS number
             RETURNING clinician_id, external_id)
           INSERT INTO licenses (tenant_id, clinician_id, license_type, license_number, expires_on)
           SELECT :tenant, clinician_id, 'RN', external_id, :expires_on FROM people""",
        tenant=tenant,
        count=count,
        zone=zone,
        expires_on=expires_on,
    )


def schedule(register: Register) -> list[tuple[Any, ...]]:
    return register.rows(
        "SELECT idempotency_key, status, window_end, policy_version, updated_at FROM notification_schedule ORDER BY 1"
    )


@pytest.fixture
def clustered(register: Register) -> Register:
    """2,300 primaries of New York and 1,000 of Chicago on Jan 31, 5 more in February."""
    tenant = register.tenant()
    policy(register, tenant, Policy([Step("PRIMARY", -90, "primary")]), name="cluster")
    many_licences(register, tenant, 2_300, date(2027, 5, 1), "America/New_York")
    many_licences(register, tenant, 1_000, date(2027, 5, 1), "America/Chicago")
    many_licences(register, tenant, 5, date(2027, 5, 10), "America/Denver")
    return register


def test_the_counts_equal_the_twin_s(register: Register) -> None:
    tenant = register.tenant()
    policy(register, tenant, LICENCES, name="licences")
    policy(register, tenant, BIRTHDAYS, name="birthdays", occasion="BIRTHDAY")
    people = [
        Person(register.clinician(tenant, name=f"{zone} {number}", timezone=zone), zone)
        for zone, number in product(ZONES, range(4))
    ]
    chief, *rest = people
    register.execute(
        "UPDATE clinicians SET supervisor_id = :chief WHERE clinician_id <> :chief", chief=chief.person_id
    )
    occasions: list[tuple[Occasion, Policy]] = []
    for number, person in enumerate(rest):
        expires_on = date(2026, 10, 1) + timedelta(days=23 * number)
        subject = register.license(tenant, person.person_id, expires_on, number=f"N{number}")
        occasions.append((Occasion(subject, expires_on, person, chief), LICENCES))
        born = date(1984, 2, 29) + timedelta(days=366 * number)
        register.execute(
            "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
            " VALUES (:tenant, :person, 'BIRTHDAY', :born)",
            tenant=tenant,
            person=person.person_id,
            born=born,
        )
        occasions.append((Occasion(person.person_id, born, person, yearly=True), BIRTHDAYS))

    seen = simulate(register.database.engine, since=NOW, until=UNTIL, capacity=EMAIL_10)

    twin: Counter[tuple[datetime, datetime]] = Counter()
    for occasion, rules in occasions:
        for expected in expected_notifications(occasion, rules, since=NOW, until=UNTIL):
            if expected.window.end > NOW:
                twin[max(expected.window.start, NOW), expected.window.end] += 1
    assert {(d.opens, d.closes): d.messages for d in seen["EMAIL"].demands} == twin
    assert twin.total() > 80


def test_the_days_that_will_not_fit_are_named_exactly(clustered: Register) -> None:
    seen = simulate(clustered.database.engine, since=NOW, until=UNTIL, capacity=EMAIL_10)["EMAIL"]

    # From 13:00 to 18:00 UTC 3,000 leave: all of New York's 2,300 by 16:50, then 700 of Chicago's 1,000.
    assert seen.misfits == [Misfit(Demand(*CHICAGO, 1_000), 300)]
    assert seen.days == [
        Day(date(2027, 1, 31), messages=3_300, late=300, capacity=3_000),
        Day(date(2027, 2, 9), messages=5, late=0, capacity=2_400),
    ]


def test_what_is_open_now_has_only_what_is_left_of_its_window(clustered: Register) -> None:
    at_ten = NEW_YORK[0] + timedelta(hours=2)
    seen = simulate(clustered.database.engine, since=at_ten, until=UNTIL, capacity=EMAIL_10)["EMAIL"]

    # Two hours for New York's 2,300, then one more for Chicago's.
    assert seen.misfits == [
        Misfit(Demand(at_ten, NEW_YORK[1], 2_300), 1_100),
        Misfit(Demand(at_ten, CHICAGO[1], 1_000), 400),
    ]


def test_a_draft_changes_the_picture_and_not_the_schedule(clustered: Register) -> None:
    engine = clustered.database.engine
    clustered.plan()
    before = schedule(clustered)
    (tenant,) = (row[0] for row in clustered.rows("SELECT tenant_id FROM tenants"))
    drafted = Policy([Step("PRIMARY", -60, "primary"), Step("LAST_CALL", -7, "secondary")])
    policy(clustered, tenant, drafted, name="cluster", status="DRAFT", version=2)

    active = simulate(engine, since=NOW, until=UNTIL, capacity=EMAIL_10)["EMAIL"]
    draft = simulate(
        engine, since=NOW, until=UNTIL, capacity=EMAIL_10, drafts=drafts_named(engine, "cluster")
    )["EMAIL"]

    assert (active.messages, draft.messages) == (3_305, 6_610)
    assert [day.on for day in draft.days] == [
        date(2027, 3, 2), date(2027, 3, 11), date(2027, 4, 24), date(2027, 5, 3)
    ]  # fmt: skip
    assert [misfit.demand.opens.date() for misfit in draft.misfits] == [date(2027, 3, 2), date(2027, 4, 24)]
    assert schedule(clustered) == before


def test_nobody_is_counted_who_was_told_already(clustered: Register) -> None:
    clustered.plan()
    for status in ("QUEUED", "SENDING", "SENT"):
        clustered.execute(
            "UPDATE notification_schedule SET status = :status, claimed_at = :now"
            " WHERE scheduled_at = :opens",
            status=status,
            now=NOW,
            opens=NEW_YORK[0],
        )

    seen = simulate(clustered.database.engine, since=NOW, until=UNTIL, capacity=EMAIL_10)["EMAIL"]

    assert seen.messages == 1_005
    assert seen.misfits == []


def test_a_policy_without_a_draft_is_refused(clustered: Register) -> None:
    with pytest.raises(NoSuchDraft, match="'cluster'"):
        drafts_named(clustered.database.engine, "cluster")


def test_the_command_prints_the_picture_and_writes_the_page(clustered: Register, tmp_path: Path) -> None:
    database = clustered.database
    socket = quote(f"{database.postgres.socket}/.s.PGSQL.5432", safe="")
    page = tmp_path / "simulation.html"

    result = CliRunner().invoke(
        app,
        [
            "simulate", "--from", "2026-10-26", "--months", "12", "--page", str(page),
            "--database", f"postgresql+pg8000://nolapse_engine:x@/{database.name}?unix_sock={socket}",
        ],
        env={"COLUMNS": "140"},
    )  # fmt: skip

    assert result.exit_code == 0, result.output
    assert "3,305 messages fit into their windows; 11 a minute would do" in result.output
    html = page.read_text(encoding="utf-8")
    assert html.count('class="column"') == 2
    assert "Sun 31 Jan 2027: 3,300 messages; the senders carry 9,000 in its windows" in html


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2200-01-01", "9999-12-31"])
def test_a_day_at_the_ends_of_the_calendar_is_refused(day: str) -> None:
    result = CliRunner().invoke(app, ["simulate", "--from", day, "--months", "60"], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "from 1900 to 2199" in result.output


@pytest.mark.parametrize("day", ["1900-01-01", "2199-12-31"])
def test_the_first_and_the_last_day_are_computed(clustered: Register, tmp_path: Path, day: str) -> None:
    database = clustered.database
    socket = quote(f"{database.postgres.socket}/.s.PGSQL.5432", safe="")
    result = CliRunner().invoke(
        app,
        [
            "simulate", "--from", day, "--months", "60", "--page", str(tmp_path / "page.html"),
            "--database", f"postgresql+pg8000://nolapse_engine:x@/{database.name}?unix_sock={socket}",
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output


def test_an_unknown_policy_ends_the_command_with_its_reason(clustered: Register, tmp_path: Path) -> None:
    database = clustered.database
    socket = quote(f"{database.postgres.socket}/.s.PGSQL.5432", safe="")
    result = CliRunner().invoke(
        app,
        [
            "simulate", "--policy", "nobody's", "--page", str(tmp_path / "none.html"),
            "--database", f"postgresql+pg8000://nolapse_engine:x@/{database.name}?unix_sock={socket}",
        ],
    )  # fmt: skip

    assert result.exit_code == 1
    assert 'no policy named "nobody\'s" has a draft' in result.output
    assert not (tmp_path / "none.html").exists()
