"""Nothing is attached to who was deleted or erased, also while that happens; what was attached before stays."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from nolapse.api.identity import Role
from nolapse.planning.erasure import erase
from nolapse.planning.plan import bounds
from tests.integration.api.conftest import Answer, Api
from tests.integration.conftest import DAILY
from tests.integration.waiting import wait_for

RULE = "DTSTART;TZID=America/New_York:20261027T080000\nRRULE:FREQ=DAILY;COUNT=3"


@pytest.fixture
def ada(api: Api, tenant: UUID) -> UUID:
    return api.register.clinician(tenant)


@pytest.fixture(params=["deleted", "erased"])
def gone(api: Api, tenant: UUID, admin: str, request: pytest.FixtureRequest) -> UUID:
    person = api.register.clinician(tenant, "gone")
    path = f"/v1/clinicians/{person}"
    if request.param == "deleted":
        answer = api.call("DELETE", path, admin, if_match="*")
    else:
        answer = api.call("POST", f"{path}/erase", admin, {"confirm": "gone"})
    assert answer.status == 200, answer.body
    return person


def licence(holder: UUID, number: str = "RN-1") -> dict[str, Any]:
    return {
        "clinician_id": str(holder),
        "license_type": "RN",
        "license_number": number,
        "expires_on": "2027-01-31",
    }


def medication(taker: UUID, caregiver: UUID | None = None) -> dict[str, Any]:
    return {
        "clinician_id": str(taker),
        "caregiver_id": caregiver and str(caregiver),
        "label": "tablets",
        "recurrence": RULE,
    }


Ask = Callable[[Api, str, UUID, UUID], Answer]


def handed_over(api: Api, staff: str, ada: UUID, gone: UUID) -> Answer:
    path = api.call("POST", "/v1/licenses", staff, licence(ada)).headers["location"]
    return api.call("PATCH", path, staff, {"clinician_id": str(gone)}, if_match="*")


def cared_for(api: Api, staff: str, ada: UUID, gone: UUID) -> Answer:
    path = api.call("POST", "/v1/medications", staff, medication(ada)).headers["location"]
    return api.call("PATCH", path, staff, {"caregiver_id": str(gone)}, if_match="*")


WAYS: dict[str, tuple[Ask, str]] = {
    "a licence": (lambda api, by, _, gone: api.call("POST", "/v1/licenses", by, licence(gone)), "clinician_id"),
    "a licence handed over": (handed_over, "clinician_id"),
    "licences": (
        lambda api, by, ada, gone: api.call(
            "POST", "/v1/licenses/bulk", by, {"items": [licence(ada), licence(gone, "RN-2")]}
        ),
        "items.1.clinician_id",
    ),
    "a new person": (
        lambda api, by, _, gone: api.call(
            "POST", "/v1/clinicians", by,
            {"external_id": "new", "full_name": "New", "supervisor_id": str(gone)},
        ),
        "supervisor_id",
    ),
    "a person": (
        lambda api, by, ada, gone: api.call(
            "PATCH", f"/v1/users/{ada}", by, {"supervisor_id": str(gone)}, if_match="*"
        ),
        "supervisor_id",
    ),
    "people": (
        lambda api, by, ada, gone: api.call(
            "POST", "/v1/clinicians/bulk", by,
            {"items": [{"external_id": name, "full_name": name, "supervisor_id": str(who)}
                       for name, who in (("new", ada), ("ada", gone))]},
        ),
        "items.1.supervisor_id",
    ),
    "a medication": (
        lambda api, by, _, gone: api.call("POST", "/v1/medications", by, medication(gone)), "clinician_id",
    ),
    "a medication and its caregiver": (
        lambda api, by, ada, gone: api.call("POST", "/v1/medications", by, medication(ada, gone)),
        "caregiver_id",
    ),
    "a caregiver": (cared_for, "caregiver_id"),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_who_is_gone_is_named_by_nothing(api: Api, staff: str, ada: UUID, gone: UUID, way: str) -> None:
    ask, field = WAYS[way]

    answer = ask(api, staff, ada, gone)

    assert (answer.status, [each["field"] for each in answer.body["fields"]]) == (422, [field]), answer.body
    for table, column in (
        ("licenses", "clinician_id"),
        ("medications", "clinician_id"),
        ("medications", "caregiver_id"),
        ("clinicians", "supervisor_id"),
    ):
        found = f"SELECT count(*) FROM {table} WHERE {column} = :gone"  # noqa: S608
        assert api.register.rows(found, gone=gone) == [(0,)]


def test_what_was_deleted_with_its_holder_does_not_come_back_alone(api: Api, staff: str, ada: UUID) -> None:
    path = api.call("POST", "/v1/licenses", staff, licence(ada)).headers["location"]
    for deleted in (path, f"/v1/clinicians/{ada}"):
        api.call("DELETE", deleted, staff, if_match="*")

    refused = [
        api.call("POST", "/v1/licenses", staff, licence(ada)),
        api.call("POST", "/v1/licenses/bulk", staff, {"items": [licence(ada)]}),
    ]

    assert [each.body["fields"][0]["field"] for each in refused] == ["clinician_id", "items.0.clinician_id"]
    assert api.call("POST", "/v1/clinicians", staff, {"external_id": "ada", "full_name": "Ada"}).status == 201
    assert api.call("POST", "/v1/licenses", staff, licence(ada)).status == 201


def test_what_was_attached_before_is_edited_as_ever(api: Api, staff: str, tenant: UUID, ada: UUID) -> None:
    boss = api.register.clinician(tenant, "boss")
    assert (
        api.call("PATCH", f"/v1/clinicians/{ada}", staff, {"supervisor_id": str(boss)}, if_match="*").status
        == 200
    )
    path = api.call("POST", "/v1/licenses", staff, licence(boss)).headers["location"]
    api.call("DELETE", f"/v1/clinicians/{boss}", staff, if_match="*")

    renewed = api.call("PATCH", path, staff, {"expires_on": "2028-01-31"}, if_match="*")
    renamed = api.call("PATCH", f"/v1/clinicians/{ada}", staff, {"full_name": "Ada L."}, if_match="*")

    assert (renewed.status, renewed.body["clinician_id"]) == (200, str(boss))
    assert (renamed.status, renamed.body["supervisor_id"]) == (200, str(boss))


def test_who_comes_back_in_the_same_request_is_there(api: Api, staff: str, tenant: UUID) -> None:
    api.register.clinician(tenant, "ada")
    boss = api.register.clinician(tenant, "boss")
    api.call("DELETE", f"/v1/clinicians/{boss}", staff, if_match="*")
    items = [
        {"external_id": "ada", "full_name": "Ada", "supervisor_id": str(boss)},
        {"external_id": "boss", "full_name": "Boss"},
    ]

    answer = api.call("POST", "/v1/clinicians/bulk", staff, {"items": items})

    assert [each["outcome"] for each in answer.body["items"]] == ["changed", "changed"]


@pytest.mark.parametrize("way", ["a licence", "a new person", "a medication"])
def test_what_comes_during_an_erasure_waits_for_it_and_is_refused(
    api: Api, staff: str, ada: UUID, way: str
) -> None:
    ask, field = WAYS[way]
    limits = bounds(api.clock.now(), horizon_months=13, lookback_days=14)
    with ThreadPoolExecutor() as pool, api.register.database.engine.begin() as erasing:
        erase(erasing, ada, limits)
        asked = pool.submit(ask, api, staff, ada, ada)
        wait_for(api.register, 1)
        erasing.commit()
        answer = asked.result()

    assert (answer.status, answer.body["fields"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    "attach",
    [
        (
            "INSERT INTO licenses (tenant_id, clinician_id, license_type, license_number)"
            " VALUES (:tenant, :ada, 'RN', 'RN-1')"
        ),
        "UPDATE licenses SET clinician_id = :ada",
    ],
    ids=["new", "handed over"],
)
def test_an_erasure_waits_for_what_is_being_attached_and_covers_it(
    api: Api, tenant: UUID, ada: UUID, attach: str
) -> None:
    other = api.register.clinician(tenant, "other")
    api.register.license(tenant, other, date(2027, 1, 31), number="ada")
    admin = api.token(tenant, Role.ADMIN)
    with ThreadPoolExecutor() as pool, api.register.database.engine.begin() as attaching:
        attaching.execute(text(attach), {"tenant": tenant, "ada": ada})
        erasing = pool.submit(api.call, "POST", f"/v1/clinicians/{ada}/erase", admin, {"confirm": "ada"})
        wait_for(api.register, 1)
        attaching.commit()
        assert erasing.result().status == 200

    held = "SELECT license_number, status FROM licenses WHERE clinician_id = :ada"
    assert [(number[:7], status) for number, status in api.register.rows(held, ada=ada)] == [
        ("erased-", "ENDED")
    ]


def test_yearly_dates_of_who_is_gone_are_not_kept(api: Api, tenant: UUID, gone: UUID) -> None:
    api.register.prescribe(api.register.clinician(tenant, "other"), DAILY)
    for attach in (
        "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date) VALUES (:tenant, :gone, 'BIRTHDAY', :day)",
        "UPDATE medications SET clinician_id = :gone WHERE tenant_id = :tenant AND CAST(:day AS date) IS NOT NULL",
    ):
        with pytest.raises(DatabaseError, match="no_clinician_id_is_gone"):
            api.register.execute(attach, tenant=tenant, gone=gone, day=date(1980, 3, 14))
