"""/v1/licenses: every edit reschedules in its own transaction, and says what it moved, cancelled and created."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from nolapse.api.identity import Role
from tests.integration.api.conftest import Answer, Api
from tests.integration.conftest import DAILY


@pytest.fixture
def ada(api: Api, tenant: UUID) -> UUID:
    return api.register.clinician(tenant)


def created(api: Api, staff: str, holder: UUID, **fields: Any) -> Answer:
    body = {"license_type": "RN", "state": "NY", "license_number": "RN-1", "expires_on": "2027-01-24"}
    answer = api.call("POST", "/v1/licenses", staff, {"clinician_id": holder, **body, **fields})
    assert answer.status == 201, answer.body
    return answer


def events(answer: Answer, kind: str) -> list[str]:
    return [(each.get("after") or each)["event"] for each in answer.body["rescheduled"][kind]]


def test_a_new_licence_is_planned_at_once(api: Api, staff: str, ada: UUID) -> None:
    made = created(api, staff, ada)

    assert events(made, "created") == ["PRIMARY", "SECONDARY", "PAST_DUE"]
    assert api.call("GET", made.headers["location"], staff).etag == made.etag
    assert api.register.plan().rows == {}


def test_a_renewal_cancels_and_plans_anew(api: Api, staff: str, ada: UUID) -> None:
    made = created(api, staff, ada)

    renewed = api.call(
        "PATCH", made.headers["location"], staff, {"expires_on": "2027-10-31"}, if_match=made.etag
    )

    assert events(renewed, "moved") == ["PRIMARY", "SECONDARY", "PAST_DUE"]
    assert {each["before"]["reason"] for each in renewed.body["rescheduled"]["moved"]} == {"date moved"}
    assert (events(renewed, "created"), events(renewed, "cancelled")) == ([], [])
    assert api.register.plan().rows == {}


def test_a_hand_over_tells_the_new_holder(api: Api, staff: str, tenant: UUID, ada: UUID) -> None:
    made = created(api, staff, ada)
    grace = api.register.clinician(tenant, "grace")

    handed = api.call("PATCH", made.headers["location"], staff, {"clinician_id": str(grace)}, if_match="*")

    assert {each["clinician_id"] for each in handed.body["rescheduled"]["created"]} == {str(grace)}
    assert {each["clinician_id"] for each in handed.body["rescheduled"]["cancelled"]} == {str(ada)}
    assert api.register.plan().rows == {}


def test_what_is_deleted_is_cancelled_and_comes_back(api: Api, staff: str, ada: UUID) -> None:
    made = created(api, staff, ada)

    gone = api.call("DELETE", made.headers["location"], staff, if_match=made.etag)

    assert events(gone, "cancelled") == ["PRIMARY", "SECONDARY", "PAST_DUE"]
    assert api.call("GET", made.headers["location"], staff).status == 404
    again = created(api, staff, ada)
    assert again.body["license_id"] == made.body["license_id"]
    assert events(again, "restored") == ["PRIMARY", "SECONDARY", "PAST_DUE"]


def test_a_perpetual_licence_calls_for_nothing(api: Api, staff: str, ada: UUID) -> None:
    made = created(api, staff, ada)

    endless = api.call("PATCH", made.headers["location"], staff, {"expires_on": None}, if_match="*")

    assert (endless.body["expires_on"], events(endless, "cancelled")) == (
        None,
        ["PRIMARY", "SECONDARY", "PAST_DUE"],
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"expires_on": "2100-01-01"}, "expires_on"),
        ({"expires_on": "01/02/2027"}, "expires_on"),
        ({"expires_on": 86_400}, "expires_on"),
        ({"expires_on": "86400"}, "expires_on"),
        ({"license_number": " "}, "license_number"),
        ({"clinician_id": "01900000-0000-7000-8000-000000000000"}, "clinician_id"),
        ({"status": "LOST"}, "status"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(
    api: Api, staff: str, ada: UUID, fields: dict[str, str], named: str
) -> None:
    made = created(api, staff, ada)

    answer = api.call("PATCH", made.headers["location"], staff, fields, if_match="*")

    assert (answer.status, [each["field"] for each in answer.body["fields"]]) == (422, [named])
    assert api.call("GET", made.headers["location"], staff).etag == made.etag


def test_one_number_type_and_state_is_one_licence(api: Api, staff: str, ada: UUID) -> None:
    created(api, staff, ada, state=None)
    body = {"clinician_id": ada, "license_type": "RN", "license_number": "RN-1"}

    answer = api.call("POST", "/v1/licenses", staff, body)

    assert (answer.status, answer.body["fields"][0]["field"]) == (409, "license_number")


def test_a_deleted_licence_s_number_is_not_taken_by_an_edit_and_the_answer_says_what_to_do(
    api: Api, staff: str, ada: UUID
) -> None:
    deleted = created(api, staff, ada)
    api.call("DELETE", deleted.headers["location"], staff, if_match="*")
    other = created(api, staff, ada, license_number="RN-2")

    answer = api.call("PATCH", other.headers["location"], staff, {"license_number": "RN-1"}, if_match="*")

    assert (answer.status, answer.body["fields"][0]["field"]) == (409, "license_number")
    assert "comes back when you create it again" in answer.body["message"]
    assert created(api, staff, ada).body["license_id"] == deleted.body["license_id"]


def test_lists_by_expiry_with_the_perpetual_at_the_end(api: Api, staff: str, ada: UUID) -> None:
    for number, expires in enumerate(["2027-03-01", None, "2026-12-01", "2027-06-30"]):
        created(api, staff, ada, license_number=f"RN-{number}", expires_on=expires)

    dates, query = [], "limit=1"
    while query:
        page = api.call("GET", f"/v1/licenses?{query}", staff)
        dates += [each["expires_on"] for each in page.body["items"]]
        query = page.body["next"] and f"limit=1&cursor={page.body['next']}"
    assert dates == ["2026-12-01", "2027-03-01", "2027-06-30", None]
    within = api.call("GET", "/v1/licenses?expires_from=2027-01-01&expires_until=2027-03-01", staff)
    assert [each["expires_on"] for each in within.body["items"]] == ["2027-03-01"]


def test_a_physician_reads_their_own_records_and_no_others(api: Api, tenant: UUID, ada: UUID) -> None:
    grace = api.register.clinician(tenant, "grace")
    mine = api.register.license(tenant, ada, date(2027, 6, 30))
    other = api.register.license(tenant, grace, date(2027, 6, 30), number="RN-2")
    for person in (ada, grace):
        api.register.prescribe(person, DAILY)
    physician = api.token(tenant, Role.PHYSICIAN, clinician_id=ada)

    listed = api.call("GET", "/v1/licenses", physician)
    assert [each["license_id"] for each in listed.body["items"]] == [str(mine)]
    for kind in ("licenses", "medications", "notifications"):
        assert api.call("GET", f"/v1/{kind}?clinician_id={grace}", physician).body["items"] == []
        assert api.call("GET", f"/v1/{kind}?clinician_id={ada}", physician).body["items"] != []
    people = api.call("GET", "/v1/clinicians", physician)
    assert [each["clinician_id"] for each in people.body["items"]] == [str(ada)]
    assert api.call("GET", f"/v1/licenses/{mine}", physician).status == 200
    assert api.call("GET", f"/v1/licenses/{other}", physician).status == 404
    assert api.call("GET", f"/v1/clinicians/{grace}", physician).status == 404
