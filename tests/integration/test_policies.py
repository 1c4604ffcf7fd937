"""The life of a policy: drafted, judged in the shadow, activated, rolled back; what was sent stays."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from cli.policy_files import read_folder
from local.stack import ROOT
from nolapse.oversight.maintenance import maintain
from nolapse.planning.plan import PlanReport, bounds
from nolapse.planning.policies.activate import activate, roll_back
from nolapse.planning.policies.catalog import DraftId, entries, find_draft, find_policy
from nolapse.planning.policies.diff import Count, PolicyDiff, diff
from nolapse.planning.policies.errors import (
    AmbiguousPolicy,
    NoSuchTenant,
    NotADraft,
    NothingToReturnTo,
    UnknownPolicy,
)
from nolapse.planning.policies.load import Change, load
from nolapse.planning.policies.reading import read_policies
from nolapse.storage.engine import transaction
from tests.integration.conftest import NOW, RETENTION, Register

LIMITS = bounds(NOW, horizon_months=13, lookback_days=14)
FAR = date(2027, 6, 30)  # a Wednesday; its steps are far from weekends, holidays and now
STEPS = [
    {"event": "PRIMARY", "days": -90, "template": "primary"},
    {"event": "SECONDARY", "days": -30, "template": "secondary"},
    {"event": "PAST_DUE", "days": 7, "template": "past_due"},
]
NURSES = {
    "name": "ny-rn",
    "occasion": "LICENSE_EXPIRY",
    "license_type": "RN",
    "state": "NY",
    "window": {"opens": "08:00", "closes": "12:00"},
    "steps": STEPS,
}


def step(event: str, days: int, template: str) -> dict[str, Any]:
    return {"event": event, "days": days, "template": template}


def loaded(register: Register, *contents: dict[str, Any]) -> list[tuple[str, Change, int | None]]:
    documents = read_policies({content["name"]: content for content in contents})
    with transaction(register.database.engine, "author") as connection:
        return [
            (one.name, one.change, one.draft and one.draft.version)
            for one in load(connection, documents, now=NOW)
        ]


def draft_of(register: Register, name: str) -> DraftId:
    with register.database.engine.connect() as connection:
        return find_draft(connection, find_policy(connection, name))


def activated(register: Register, *names: str) -> PlanReport:
    drafts = [draft_of(register, name) for name in names]
    with transaction(register.database.engine, "author") as connection:
        return activate(connection, drafts, LIMITS)


def rolled_back(register: Register, name: str) -> PlanReport:
    with transaction(register.database.engine, "author") as connection:
        return roll_back(connection, find_policy(connection, name), LIMITS)


def judged(register: Register, name: str, per_week: int = 3) -> PolicyDiff:
    draft = draft_of(register, name)
    with transaction(register.database.engine, "author") as connection:
        return diff(connection, draft, LIMITS, per_week=per_week)


def schedule(register: Register) -> list[tuple[Any, ...]]:
    """What waits or left, by event, with its window's local-to-UTC day and policy version."""
    return register.rows(
        "SELECT event, scheduled_at, status, policy_version, name FROM notification_schedule"
        " JOIN renewal_policies USING (policy_id) WHERE notification_schedule.status <> 'CANCELLED'"
        " ORDER BY scheduled_at, event"
    )


def versions(register: Register, name: str) -> list[tuple[Any, ...]]:
    return register.rows(
        "SELECT version, status, former_version FROM policy_version JOIN renewal_policies USING (policy_id)"
        " WHERE name = :name ORDER BY version",
        name=name,
    )


def deliver(register: Register, event: str, status: str = "SENT") -> None:
    register.execute("UPDATE notification_schedule SET status = 'QUEUED', claimed_at = :now WHERE event = :event",
                     now=NOW, event=event)  # fmt: skip
    for next_status in ["SENDING", "SENT"][: ["QUEUED", "SENDING", "SENT"].index(status)]:
        register.execute(
            "UPDATE notification_schedule SET status = :status WHERE event = :event",
            status=next_status,
            event=event,
        )


@pytest.fixture
def nurse(register: Register) -> None:
    """One licence of a nurse in New York, planned by the platform's default."""
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), FAR)
    register.plan()


def test_a_fresh_database_holds_what_git_holds(register: Register) -> None:
    documents = read_policies(read_folder(ROOT / "policies"))

    with transaction(register.database.engine, "author") as connection:
        changes = {one.name: one.change for one in load(connection, documents, now=NOW)}

    assert changes == {
        "default": Change.UNCHANGED, "birthday": Change.UNCHANGED, "anniversary": Change.UNCHANGED,
            "dose": Change.UNCHANGED,
        "ca-rn": Change.DRAFTED, "ny-md": Change.DRAFTED, "tx-pharmd": Change.DRAFTED,
    }  # fmt: skip


def test_loading_drafts_what_changed_and_only_that(register: Register) -> None:
    assert loaded(register, NURSES) == [("ny-rn", Change.DRAFTED, 1)]
    assert loaded(register, NURSES) == [("ny-rn", Change.UNCHANGED, 1)]
    assert loaded(register, {**NURSES, "steps": STEPS[::-1]}) == [("ny-rn", Change.UNCHANGED, 1)]
    assert loaded(register, {**NURSES, "steps": STEPS[:2]}) == [("ny-rn", Change.DRAFTED, 2)]
    activated(register, "ny-rn")
    assert loaded(register, {**NURSES, "steps": STEPS[:2]}) == [("ny-rn", Change.UNCHANGED, None)]
    assert loaded(register, NURSES) == [("ny-rn", Change.DRAFTED, 3)]
    assert loaded(register, {**NURSES, "steps": STEPS[:2]}) == [("ny-rn", Change.WITHDRAWN, None)]
    assert versions(register, "ny-rn") == [(1, "RETIRED", None), (2, "ACTIVE", None), (3, "RETIRED", None)]


@pytest.mark.parametrize(
    "change",
    [
        {"window": {"opens": "08:30", "closes": "12:00"}},
        {"window": {"opens": "08:00", "closes": "11:00"}},
        {"leap_day": "MAR_1"},
        {"grace_days": 1},
        {"buffer_days": 1},
        {"business_days": "AFTER", "holidays": "US-NY"},
        {"steps": [*STEPS[:2], step("PAST_DUE", 8, "past_due")]},
        {"steps": [*STEPS[:2], {**STEPS[2], "recipients": ["HOLDER", "SUPERVISOR"]}]},
    ],
)
def test_every_field_makes_a_draft(register: Register, change: dict[str, Any]) -> None:
    loaded(register, NURSES)
    activated(register, "ny-rn")

    assert loaded(register, {**NURSES, **change}) == [("ny-rn", Change.DRAFTED, 2)]
    assert loaded(register, {**NURSES, **change}) == [("ny-rn", Change.UNCHANGED, 2)]


def test_a_policy_may_be_renamed_without_a_new_version(register: Register) -> None:
    loaded(register, NURSES)

    assert loaded(register, {**NURSES, "name": "nurses"}) == [("nurses", Change.UNCHANGED, 1)]


def test_a_policy_is_found_by_name_and_tenant(register: Register) -> None:
    register.tenant()
    loaded(register, NURSES)
    loaded(register, {**NURSES, "tenant": "clinic"})

    with register.database.engine.connect() as connection:
        with pytest.raises(UnknownPolicy, match="anniversary, birthday, default, dose, ny-rn"):
            find_policy(connection, "ny-nr")
        with pytest.raises(AmbiguousPolicy, match="--tenant"):
            find_policy(connection, "ny-rn")
        found = find_policy(connection, "ny-rn", "clinic")
        assert [entry.policy_id for entry in entries(connection) if entry.tenant == "clinic"] == [found]
    with pytest.raises(NoSuchTenant, match="ny-rn is for tenant 'nowhere'"):
        loaded(register, {**NURSES, "tenant": "nowhere"})


@pytest.mark.usefixtures("nurse")
def test_a_draft_does_not_touch_the_schedule(register: Register) -> None:
    before = schedule(register)
    loaded(register, {**NURSES, "steps": [step("PRIMARY", -60, "primary")]})

    judged(register, "ny-rn")

    assert register.plan().counts == {}
    assert schedule(register) == before


@pytest.mark.usefixtures("nurse")
def test_the_diff_says_who_is_told_more_less_and_at_another_time(register: Register) -> None:
    tenant = register.rows("SELECT tenant_id FROM tenants")[0][0]
    for name, state in (("bob", "NY"), ("eve", "CA")):  # eve's licence is not of New York
        register.license(tenant, register.clinician(tenant, name), FAR, number=name, state=state)
    register.plan()
    loaded(register, {**NURSES, "steps": [
        step("EARLY", -120, "primary"), step("PRIMARY", -80, "primary"), step("SECONDARY", -30, "primary"),
        step("WEEK", -28, "secondary"), step("EVE", -27, "past_due")]})  # fmt: skip

    found = judged(register, "ny-rn", per_week=2)

    assert found.changes == {
        "gained": Count(6, 2), "lost": Count(2, 2), "shifted": Count(2, 2), "reworded": Count(2, 2),
        "unchanged": Count(), "settled": Count(),
    }  # fmt: skip
    by_day = {day.on_date: (day.active, day.draft) for day in found.days}
    assert by_day == {
        FAR - timedelta(days=120): (0, 2),
        FAR - timedelta(days=90): (2, 0),
        FAR - timedelta(days=80): (0, 2),
        FAR - timedelta(days=30): (2, 2),
        FAR - timedelta(days=28): (0, 2),
        FAR - timedelta(days=27): (0, 2),
        FAR + timedelta(days=7): (2, 0),
    }
    assert [tuple(crowd) for crowd in found.crowds] == [("DRAFT", 3, 2)]
    report = activated(register, "ny-rn")
    assert report.changed("cancelled") == 2 + 2 + 2  # lost, shifted, reworded
    assert report.changed("inserted") == 6 + 2 + 2
    assert {row[-1] for row in schedule(register)} == {"ny-rn", "default"}


@pytest.mark.usefixtures("nurse")
def test_the_diff_counts_a_week_with_what_other_policies_send(register: Register) -> None:
    born = FAR - timedelta(days=30 + 365 * 40)
    register.execute(
        "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
        " SELECT tenant_id, clinician_id, 'BIRTHDAY', :born FROM clinicians",
        born=born,
    )
    register.plan()
    [[birthday]] = register.rows("SELECT CAST(scheduled_at AS date) FROM notification_schedule"
                                 " WHERE event = 'BIRTHDAY' AND scheduled_at > '2027-01-01'")  # fmt: skip
    days = (birthday - FAR).days
    loaded(register, {**NURSES, "steps": [step("A", days - 6, "primary"), step("B", days + 6, "secondary")]})

    # Three messages, but a birthday between two that are twelve days apart makes no week of three.
    assert judged(register, "ny-rn", per_week=1).crowded("DRAFT") == 1
    assert judged(register, "ny-rn", per_week=2).crowded("DRAFT") == 0


def test_the_diff_knows_what_would_be_late_and_what_is_settled(register: Register) -> None:
    tenant = register.tenant()
    register.license(tenant, register.clinician(tenant), date(2026, 10, 26) + timedelta(days=85))
    register.plan()  # PRIMARY's window closed five days ago
    register.execute(
        "UPDATE notification_schedule SET status = 'QUEUED', claimed_at = :now WHERE event = 'PRIMARY'",
        now=NOW,
    )
    loaded(register, {**NURSES, "steps": [
        step("PRIMARY", -92, "primary"), step("MISSED", -88, "secondary"), step("TOO_OLD", -200, "past_due"),
        step("SECONDARY", -30, "secondary")]})  # fmt: skip

    found = judged(register, "ny-rn")

    assert found.changes["gained"] == Count(1, 1, late=1)
    assert found.changes["settled"] == Count(1, 1)
    assert found.changes["unchanged"] == Count(1, 1)
    assert found.days[0] == (NOW.astimezone(UTC).date() - timedelta(days=1), 0, 1)  # New York's today
    report = activated(register, "ny-rn")
    assert report.rows["inserted", "LATE_PENDING"] == 1
    assert report.rows["inserted", "SUPPRESSED"] == 1
    assert register.statuses()["PRIMARY"] == "QUEUED"


def test_what_a_draft_moves_across_the_horizon_is_not_lost(register: Register) -> None:
    tenant = register.tenant()
    past_due = LIMITS.horizon.date() - timedelta(days=2)
    register.license(tenant, register.clinician(tenant), past_due - timedelta(days=7))
    register.plan()
    loaded(register, {**NURSES, "grace_days": 30})

    found = judged(register, "ny-rn")

    assert (found.changes["lost"].messages, found.changes["shifted"].messages) == (0, 1)


@pytest.mark.usefixtures("nurse")
def test_the_diff_of_a_draft_for_all_compares_only_what_falls_under_it(register: Register) -> None:
    loaded(register, NURSES)
    activated(register, "ny-rn")
    tenant = register.rows("SELECT tenant_id FROM tenants")[0][0]
    register.license(tenant, register.clinician(tenant, "md"), FAR, number="MD-1", license_type="MD")
    register.plan()
    loaded(register, {**NURSES, "name": "default", "license_type": None, "state": None, "steps": STEPS[:1]})

    found = judged(register, "default")

    assert found.changes["unchanged"] == Count(1, 1)  # the physician's
    assert found.changes["lost"] == Count(2, 1)


@pytest.mark.usefixtures("nurse")
def test_activation_moves_exactly_the_unsent_rows_and_rollback_returns_them(register: Register) -> None:
    deliver(register, "PRIMARY")
    before = schedule(register)
    loaded(register, {**NURSES, "window": {"opens": "07:00", "closes": "11:00"}})

    assert activated(register, "ny-rn").counts == {"cancelled_cancelled": 2, "inserted_pending": 2}
    after = schedule(register)
    assert after[0] == before[0]
    assert [(event, at + timedelta(hours=1), status) for event, at, status, *_ in after[1:]] == [
        row[:3] for row in before[1:]
    ]
    assert {row[3:] for row in after[1:]} == {(1, "ny-rn")}

    assert rolled_back(register, "ny-rn").counts == {"cancelled_cancelled": 2, "revived_pending": 2}
    assert schedule(register) == before
    assert register.plan().counts == {}


@pytest.mark.parametrize("status", ["QUEUED", "SENDING"])
@pytest.mark.usefixtures("nurse")
def test_what_is_in_flight_is_left_to_its_dispatcher(register: Register, status: str) -> None:
    deliver(register, "SECONDARY", status)
    before = schedule(register)[1]
    loaded(register, {**NURSES, "steps": [step("SECONDARY", -20, "secondary")]})

    activated(register, "ny-rn")

    assert schedule(register) == [before]
    rolled_back(register, "ny-rn")
    assert schedule(register)[1] == before


@pytest.mark.parametrize("undo", ["rollback", "activation"])
def test_what_a_version_had_skipped_as_too_old_is_told_again_by_the_next(
    register: Register, undo: str
) -> None:
    tenant = register.tenant()
    register.license(
        tenant, register.clinician(tenant), NOW.date() + timedelta(days=95)
    )  # PRIMARY in five days
    register.plan()
    before = schedule(register)
    loaded(register, {**NURSES, "steps": [step("PRIMARY", -120, "primary"), *STEPS[1:]]})
    assert judged(register, "ny-rn").changes["lost"] == Count(1, 1)
    activated(register, "ny-rn")
    assert schedule(register)[0][0:3:2] == ("PRIMARY", "SUPPRESSED")

    if undo == "rollback":
        rolled_back(register, "ny-rn")
    else:
        loaded(register, NURSES)
        assert judged(register, "ny-rn").changes["gained"] == Count(1, 1)
        activated(register, "ny-rn")

    waiting = [row[:3] for row in schedule(register) if row[2] == "PENDING"]
    assert waiting == [row[:3] for row in before]
    assert register.plan().counts == {}


def test_rollbacks_return_the_way_that_activations_came(register: Register) -> None:
    for days in (-60, -50, -40):
        loaded(register, {**NURSES, "steps": [step("PRIMARY", days, "primary")]})
        activated(register, "ny-rn")
    rolled_back(register, "ny-rn")
    assert versions(register, "ny-rn") == [(1, "RETIRED", None), (2, "ACTIVE", 1), (3, "RETIRED", 2)]
    loaded(register, {**NURSES, "steps": [step("PRIMARY", -35, "primary")]})
    activated(register, "ny-rn")
    assert versions(register, "ny-rn")[3] == (4, "ACTIVE", 2)

    for active in (2, 1):
        rolled_back(register, "ny-rn")
        assert [row[0] for row in versions(register, "ny-rn") if row[1] == "ACTIVE"] == [active]

    rolled_back(register, "ny-rn")  # to the platform's default
    assert {row[1] for row in versions(register, "ny-rn")} == {"RETIRED"}
    with pytest.raises(NothingToReturnTo):
        rolled_back(register, "ny-rn")


@pytest.mark.usefixtures("nurse")
def test_the_last_policy_of_a_kind_is_never_rolled_back_to_none(register: Register) -> None:
    for name in ("default", "birthday"):
        with pytest.raises(NothingToReturnTo, match="no former version and no more general policy"):
            rolled_back(register, name)

    assert [row[1] for row in versions(register, "default")] == ["ACTIVE"]


@pytest.mark.usefixtures("nurse")
def test_a_draft_that_was_replaced_after_it_was_judged_is_not_activated(register: Register) -> None:
    loaded(register, NURSES)
    stale = draft_of(register, "ny-rn")
    judged(register, "ny-rn")
    loaded(register, {**NURSES, "steps": STEPS[:1]})

    with pytest.raises(NotADraft), transaction(register.database.engine, "author") as connection:
        activate(connection, [stale], LIMITS)
    with pytest.raises(NotADraft), transaction(register.database.engine, "author") as connection:
        diff(connection, stale, LIMITS, per_week=3)

    assert [row[1] for row in versions(register, "ny-rn")] == ["RETIRED", "DRAFT"]
    assert register.rows("SELECT count(*) FROM schedule_shadow") == [(0,)]


def test_where_one_of_several_drafts_is_none_none_is_activated(register: Register) -> None:
    loaded(register, NURSES, {**NURSES, "name": "ny-md", "license_type": "MD"})
    drafts = [draft_of(register, "ny-md"), DraftId(draft_of(register, "ny-rn").policy_id, 9)]

    with pytest.raises(NotADraft), transaction(register.database.engine, "author") as connection:
        activate(connection, drafts, LIMITS)

    assert versions(register, "ny-md") == [(1, "DRAFT", None)]


def at_once(register: Register, groups: Sequence[Sequence[DraftId]]) -> list[str]:
    def one(drafts: Sequence[DraftId]) -> str:
        try:
            with transaction(register.database.engine, "author") as connection:
                activate(connection, drafts, LIMITS)
        except NotADraft:
            return "refused"
        return "activated"

    with ThreadPoolExecutor(len(groups)) as pool:
        return sorted(pool.map(one, groups))


@pytest.mark.usefixtures("nurse")
def test_two_drafts_activated_at_once_end_in_one_consistent_schedule(register: Register) -> None:
    general = {**NURSES, "name": "all-rn", "state": None, "steps": [step("PRIMARY", -70, "primary")]}
    loaded(register, {**NURSES, "steps": [step("PRIMARY", -60, "primary")]}, general)

    assert (
        at_once(register, [[draft_of(register, name)] for name in ("ny-rn", "all-rn")]) == ["activated"] * 2
    )

    assert [(row[0], row[-1]) for row in schedule(register)] == [("PRIMARY", "ny-rn")]
    assert register.plan().counts == {}


@pytest.mark.usefixtures("nurse")
def test_one_draft_activated_by_many_is_activated_once(register: Register) -> None:
    loaded(register, {**NURSES, "steps": STEPS[:1]})

    assert at_once(register, [[draft_of(register, "ny-rn")]] * 4) == [
        "activated",
        "refused",
        "refused",
        "refused",
    ]

    assert register.plan().counts == {}
    assert len(schedule(register)) == 1


@pytest.mark.usefixtures("nurse")
def test_every_change_of_versions_is_in_the_audit_log(register: Register) -> None:
    loaded(register, NURSES)
    loaded(register, {**NURSES, "steps": STEPS[:1]})
    activated(register, "ny-rn")
    rolled_back(register, "ny-rn")

    assert register.rows(
        "SELECT actor, action, from_status, to_status, reason FROM audit_log WHERE subject LIKE 'policy:%' ORDER BY seq"
    ) == [
        ("author", "policy.drafted", None, "v1", "ny-rn"),
        ("author", "policy.withdrawn", "v1", None, "ny-rn"),
        ("author", "policy.drafted", None, "v2", "ny-rn"),
        ("author", "policy.activated", None, "v2", "ny-rn"),
        ("author", "policy.rolled_back", "v2", None, "ny-rn"),
    ]


def test_a_tenant_sees_its_own_shadow_only(register: Register) -> None:
    for slug in ("clinic", "other"):
        tenant = register.tenant(slug)
        register.license(tenant, register.clinician(tenant), FAR)
    loaded(register, NURSES)
    judged(register, "ny-rn")

    with register.database.api.begin() as connection:
        connection.execute(text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": str(tenant)})
        seen = connection.scalars(text("SELECT DISTINCT tenant_id FROM schedule_shadow")).all()

    assert seen == [tenant]


def test_maintenance_keeps_the_days_off_of_the_calendars_that_policies_name(register: Register) -> None:
    loaded(register, {**NURSES, "business_days": "BEFORE", "holidays": "US-NY"})
    engine = register.database.engine

    assert maintain(engine, now=NOW, horizon_months=13, retention=RETENTION)["days_off"] > 500
    assert maintain(engine, now=NOW, horizon_months=13, retention=RETENTION)["days_off"] == 0

    days = dict(register.rows("SELECT on_date, ARRAY[working_before, working_after] FROM day_off"))
    assert days[date(2026, 11, 26)] == [date(2026, 11, 25), date(2026, 11, 27)]  # Thanksgiving
    assert days[date(2027, 1, 1)] == [date(2026, 12, 31), date(2027, 1, 4)]  # a Friday
    assert days[date(2027, 7, 5)] == [date(2027, 7, 2), date(2027, 7, 6)]  # July 4, a Sunday, observed
    assert date(2026, 10, 26) not in days
    assert (min(days).year, max(days).year) == (2025, 2029)
    register.execute("DELETE FROM day_off WHERE on_date = '2026-11-26'")
    register.execute("INSERT INTO day_off VALUES ('US-NY', '2026-10-26', '2026-10-23', '2026-10-27')")
    register.execute("UPDATE day_off SET working_after = '2027-01-05' WHERE on_date = '2027-01-01'")
    assert maintain(engine, now=NOW, horizon_months=13, retention=RETENTION)["days_off"] == 3
    assert (
        maintain(engine, now=datetime(2027, 1, 1, tzinfo=UTC), horizon_months=13, retention=RETENTION)[
            "days_off"
        ]
        > 100
    )
    assert register.rows("SELECT min(on_date) FROM day_off") == [(min(days),)]  # a past year stays as it was
