"""/v1/clinicians: what is created, read, replaced, changed, deleted and listed, and what the schedule makes of it."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from nolapse.api.clinicians import ClinicianBody
from nolapse.planning.edits import READ_WHEN_SENT
from tests.integration.api.conftest import Answer, Api

ADA = {
    "external_id": "ada",
    "full_name": "Ada Lovelace",
    "email": "ada@Clinic.TEST",
    "phone": "+1 212 555 0100",
    "whatsapp": "+44 20 7946 0958",
}


def created(api: Api, staff: str, **fields: Any) -> Answer:
    answer = api.call("POST", "/v1/clinicians", staff, {**ADA, **fields})
    assert answer.status == 201, answer.body
    return answer


def test_a_person_is_created_and_read(api: Api, staff: str) -> None:
    made = created(api, staff)

    assert made.headers["location"] == f"/v1/clinicians/{made.body['clinician_id']}"
    read = api.call("GET", made.headers["location"], staff)
    assert read.status == 200
    assert {name: read.body[name] for name in ADA} == {
        **ADA,
        "email": "ada@clinic.test",
        "phone": "+12125550100",
        "whatsapp": "+442079460958",
    }
    assert made.body.pop("rescheduled") == {"moved": [], "created": [], "restored": [], "cancelled": []}
    assert read.body == made.body
    assert read.etag == made.etag


def test_an_edit_needs_the_tag_of_what_was_read(api: Api, staff: str) -> None:
    made = created(api, staff)
    path = made.headers["location"]

    assert api.call("PATCH", path, staff, {"full_name": "Ada King"}).status == 428
    changed = api.call("PATCH", path, staff, {"full_name": "Ada King"}, if_match=made.etag)
    assert (changed.status, changed.body["full_name"], changed.body["email"]) == (
        200,
        "Ada King",
        "ada@clinic.test",
    )
    assert api.call("PATCH", path, staff, {"full_name": "Ada"}, if_match=made.etag).status == 412
    assert api.call("PUT", path, staff, ADA, if_match=changed.etag).body["full_name"] == "Ada Lovelace"


def test_another_zone_moves_what_is_planned(api: Api, staff: str, tenant: UUID) -> None:
    made = created(api, staff)
    who = UUID(made.body["clinician_id"])
    api.register.license(tenant, who, date(2027, 1, 24))
    api.register.plan()

    moved = api.call(
        "PATCH", made.headers["location"], staff, {"timezone": "America/Los_Angeles"}, if_match="*"
    )

    events = {each["before"]["event"]: each for each in moved.body["rescheduled"]["moved"]}
    assert events.keys() == {"PRIMARY", "SECONDARY", "PAST_DUE"}
    assert events["SECONDARY"]["before"]["scheduled_at"] == "2026-12-25T13:00:00Z"
    assert events["SECONDARY"]["after"]["scheduled_at"] == "2026-12-25T16:00:00Z"
    assert moved.body["rescheduled"]["cancelled"] == []
    assert api.register.plan().rows == {}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("external_id", "N-2"),
        ("role", "STAFF"),
        ("full_name", "Ada B."),
        ("email", None),
        ("phone", "+12125550100"),
        ("whatsapp", "+12125550101"),
    ],
)
def test_what_messages_read_when_they_are_sent_moves_nothing(
    api: Api, staff: str, tenant: UUID, field: str, value: str | None
) -> None:
    made = created(api, staff)
    api.register.license(tenant, UUID(made.body["clinician_id"]), date(2027, 1, 24))
    api.register.plan()

    changed = api.call("PATCH", made.headers["location"], staff, {field: value}, if_match="*")

    assert (changed.status, changed.body[field]) == (200, value)
    assert not any(changed.body["rescheduled"].values())
    assert api.register.plan().rows == {}


def test_only_so_much_of_a_person_is_read_when_messages_are_sent() -> None:
    assert ClinicianBody.model_fields.keys() - READ_WHEN_SENT == {"timezone", "supervisor_id", "status"}


def test_who_is_deleted_is_told_nothing_more_and_comes_back_when_created_again(
    api: Api, staff: str, tenant: UUID
) -> None:
    made = created(api, staff)
    path, who = made.headers["location"], UUID(made.body["clinician_id"])
    api.register.license(tenant, who, date(2027, 1, 31))
    api.register.plan()

    gone = api.call("DELETE", path, staff, if_match=made.etag)

    assert gone.status == 200
    assert {each["reason"] for each in gone.body["rescheduled"]["cancelled"]} == {"person left"}
    assert api.call("GET", path, staff).status == 404
    assert api.call("DELETE", path, staff, if_match="*").status == 404
    assert api.call("GET", "/v1/clinicians", staff).body["items"] == []
    again = created(api, staff)
    assert again.body["clinician_id"] == str(who)
    assert len(again.body["rescheduled"]["restored"]) == 3


def test_whom_they_supervise_follows(api: Api, staff: str, tenant: UUID) -> None:
    boss = created(api, staff, external_id="boss")
    ada = created(api, staff, supervisor_id=boss.body["clinician_id"])
    api.register.execute(
        "UPDATE policy_version SET steps = jsonb_set(steps, '{0,recipients}', '[\"SUPERVISOR\"]')"
        " WHERE policy_id = (SELECT policy_id FROM renewal_policies WHERE name = 'default')"
    )
    api.register.license(tenant, UUID(ada.body["clinician_id"]), date(2027, 2, 28))
    api.register.plan()

    moved = api.call("PATCH", boss.headers["location"], staff, {"timezone": "Asia/Kolkata"}, if_match="*")

    assert [each["after"]["event"] for each in moved.body["rescheduled"]["moved"]] == ["PRIMARY"]


def test_what_is_wrong_is_said_field_by_field(api: Api, staff: str) -> None:
    answer = api.call(
        "POST",
        "/v1/clinicians",
        staff,
        {
            "external_id": "",
            "full_name": "A\u0000",
            "email": "nobody",
            "phone": "12",
            "timezone": "EST5",
            "age": 3,
        },
    )

    assert answer.status == 422
    fields = {each["field"]: each["message"] for each in answer.body["fields"]}
    assert fields.keys() == {"external_id", "full_name", "email", "phone", "timezone", "age"}
    assert fields["timezone"] == "Value error, is no IANA time zone, such as America/New_York"
    assert "nobody" not in str(answer.body)


def test_two_of_one_name_and_supervisors_of_others(api: Api, staff: str) -> None:
    made = created(api, staff)
    other = created(api, staff, external_id="grace")

    taken = api.call("POST", "/v1/clinicians", staff, ADA)
    assert (taken.status, taken.body["fields"][0]["field"]) == (409, "external_id")
    renamed = api.call("PATCH", other.headers["location"], staff, {"external_id": "ada"}, if_match="*")
    assert (renamed.status, renamed.body["code"]) == (409, "CONFLICT")
    for supervisor in (made.body["clinician_id"], "01900000-0000-7000-8000-000000000000"):
        answer = api.call(
            "PATCH", made.headers["location"], staff, {"supervisor_id": supervisor}, if_match="*"
        )
        assert (answer.status, answer.body["fields"][0]["field"]) == (422, "supervisor_id")


def test_a_list_goes_page_by_page_in_its_order(api: Api, staff: str) -> None:
    for name in ("eve", "bob", "dan", "amy", "cat"):
        created(
            api,
            staff,
            external_id=name,
            full_name=name.title(),
            role="STAFF" if name == "dan" else "CLINICIAN",
        )

    names, path = [], "/v1/clinicians?limit=2&sort=-full_name"
    while path:
        page = api.call("GET", path, staff)
        names += [each["full_name"] for each in page.body["items"]]
        path = page.body["next"] and f"/v1/clinicians?limit=2&sort=-full_name&cursor={page.body['next']}"
    assert names == ["Eve", "Dan", "Cat", "Bob", "Amy"]
    filtered = api.call("GET", "/v1/clinicians?role=STAFF", staff)
    assert [each["full_name"] for each in filtered.body["items"]] == ["Dan"]


def test_a_cursor_is_good_for_its_own_list(api: Api, staff: str) -> None:
    for name in ("a", "b", "c"):
        created(api, staff, external_id=name)
    cursor = api.call("GET", "/v1/clinicians?limit=1", staff).body["next"]

    assert api.call("GET", f"/v1/clinicians?limit=2&cursor={cursor}", staff).status == 200
    for other in (
        f"sort=external_id&cursor={cursor}",
        f"role=STAFF&cursor={cursor}",
        "cursor=x",
        f"cursor={cursor}x",
    ):
        answer = api.call("GET", f"/v1/clinicians?{other}", staff)
        assert (answer.status, answer.body["fields"][0]["field"]) == (422, "cursor")


def test_edits_are_audited_by_names_of_fields(api: Api, staff: str) -> None:
    made = created(api, staff)
    api.call("PATCH", made.headers["location"], staff, {"email": None, "full_name": "Ada King"}, if_match="*")

    assert api.register.rows(
        "SELECT actor, action, reason FROM audit_log WHERE subject = :subject ORDER BY seq",
        subject=f"clinician:{made.body['clinician_id']}",
    ) == [
        ("clinic:somebody", "clinician.created", "email, external_id, full_name, phone, whatsapp"),
        ("clinic:somebody", "clinician.changed", "email, full_name"),
    ]
