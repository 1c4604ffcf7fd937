"""/v1/users: people with the dates that come every year."""

from typing import Any

from tests.integration.api.conftest import Answer, Api

ADA = {
    "external_id": "ada",
    "full_name": "Ada Lovelace",
    "email": "ada@clinic.test",
    "birthday": "1990-12-24",
}


def created(api: Api, staff: str, **fields: Any) -> Answer:
    answer = api.call("POST", "/v1/users", staff, {**ADA, **fields})
    assert answer.status == 201, answer.body
    return answer


def test_a_birthday_is_planned_moved_and_forgotten(api: Api, staff: str) -> None:
    made = created(api, staff)
    path = made.headers["location"]
    assert [each["event"] for each in made.body["rescheduled"]["created"]] == ["BIRTHDAY"]

    moved = api.call(
        "PATCH", path, staff, {"birthday": "1990-12-26", "anniversary": "2020-01-01"}, if_match=made.etag
    )
    assert [each["after"]["event"] for each in moved.body["rescheduled"]["moved"]] == ["BIRTHDAY"]
    assert [each["event"] for each in moved.body["rescheduled"]["created"]] == ["ANNIVERSARY"]

    gone = api.call("PATCH", path, staff, {"birthday": None, "anniversary": None}, if_match=moved.etag)
    assert {each["reason"] for each in gone.body["rescheduled"]["cancelled"]} == {"date removed"}
    read = api.call("GET", path, staff)
    assert (read.body["birthday"], read.body["anniversary"], read.etag) == (None, None, gone.etag)
    assert api.register.plan().rows == {}


def test_a_user_is_a_clinician_is_a_user(api: Api, staff: str) -> None:
    made = created(api, staff)
    same = api.call("GET", f"/v1/clinicians/{made.body['user_id']}", staff)

    assert same.body["full_name"] == "Ada Lovelace"
    assert [each["birthday"] for each in api.call("GET", "/v1/users", staff).body["items"]] == ["1990-12-24"]
    api.call("DELETE", f"/v1/clinicians/{made.body['user_id']}", staff, if_match="*")
    assert api.call("GET", made.headers["location"], staff).status == 404


def test_a_birthday_that_another_changed_meanwhile(api: Api, staff: str) -> None:
    made = created(api, staff)
    path = made.headers["location"]
    api.call("PATCH", path, staff, {"birthday": "1991-12-24"}, if_match=made.etag)

    assert api.call("PATCH", path, staff, {"full_name": "Ada"}, if_match=made.etag).status == 412


def test_a_day_that_is_none(api: Api, staff: str) -> None:
    for day in ("1899-12-31", "2023-02-29", "24 Dec"):
        answer = api.call("POST", "/v1/users", staff, {**ADA, "birthday": day})
        assert (answer.status, [each["field"] for each in answer.body["fields"]]) == (422, ["birthday"])
