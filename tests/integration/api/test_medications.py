"""/v1/medications: prescribed, changed, stopped, each with its doses' reminders."""

from typing import Any
from uuid import UUID

import pytest

from tests.integration.api.conftest import Answer, Api

DAILY = "DTSTART;TZID=America/New_York:20261027T080000\nRRULE:FREQ=DAILY;COUNT=3"
EVENING = "DTSTART;TZID=America/New_York:20261027T200000\nRRULE:FREQ=DAILY;COUNT=3"


@pytest.fixture
def ada(api: Api, tenant: UUID) -> UUID:
    return api.register.clinician(tenant)


def created(api: Api, staff: str, taker: UUID, **fields: Any) -> Answer:
    body = {"clinician_id": taker, "label": "your tablets", "recurrence": DAILY, **fields}
    answer = api.call("POST", "/v1/medications", staff, body)
    assert answer.status == 201, answer.body
    return answer


def test_prescribed_changed_stopped_deleted(api: Api, staff: str, ada: UUID) -> None:
    made = created(api, staff, ada)
    path = made.headers["location"]
    assert [each["event"] for each in made.body["rescheduled"]["created"]] == ["DOSE"] * 3
    assert api.call("GET", path, staff).etag == made.etag

    later = api.call("PATCH", path, staff, {"recurrence": EVENING}, if_match=made.etag)
    assert (later.status, later.body["recurrence"]) == (200, EVENING)
    assert [each["after"]["event"] for each in later.body["rescheduled"]["moved"]] == ["DOSE"] * 3

    stopped = api.call("PATCH", path, staff, {"status": "STOPPED"}, if_match=later.etag)
    assert {each["reason"] for each in stopped.body["rescheduled"]["cancelled"]} == {"medication stopped"}
    assert api.call("DELETE", path, staff, if_match=stopped.etag).status == 200
    assert api.call("GET", path, staff).status == 404
    assert api.call("GET", "/v1/medications", staff).body["items"] == []


def test_what_is_said_beside_stopping_or_while_it_is_stopped_is_kept(api: Api, staff: str, ada: UUID) -> None:
    path = created(api, staff, ada).headers["location"]

    stopped = api.call(
        "PATCH", path, staff, {"status": "STOPPED", "label": "pill B", "safe_minutes": 300}, if_match="*"
    )
    assert (stopped.body["label"], stopped.body["safe_minutes"]) == ("pill B", 300)
    assert {each["reason"] for each in stopped.body["rescheduled"]["cancelled"]} == {"medication stopped"}
    later = api.call("PATCH", path, staff, {"recurrence": EVENING}, if_match=stopped.etag)
    assert (later.body["recurrence"], later.body["status"]) == (EVENING, "STOPPED")
    assert later.body["rescheduled"] == {"moved": [], "created": [], "restored": [], "cancelled": []}

    again = api.call("PATCH", path, staff, {"status": "ACTIVE"}, if_match=later.etag)
    assert {each["scheduled_at"][11:16] for each in again.body["rescheduled"]["created"]} == {"00:00"}
    assert api.register.plan().rows == {}
    assert api.register.rows(
        "SELECT reason FROM audit_log WHERE action = 'medication.changed' ORDER BY seq"
    ) == [("label, safe_minutes, status",), ("recurrence",), ("status",)]


def test_what_is_refused_names_its_field(api: Api, staff: str, tenant: UUID, ada: UUID) -> None:
    made = created(api, staff, ada)
    other = api.register.clinician(tenant, "grace")
    refused = {
        "recurrence": [
            {"recurrence": "every day"},
            {"recurrence": DAILY.replace("America/New_York", "Mars/Olympus")},
            {"recurrence": DAILY.replace("DAILY", "SECONDLY")},
            {"recurrence": DAILY.replace("DAILY", "DAILY;BYHOUR=8,9"), "least_gap_minutes": 90},
        ],
        "on_time_minutes": [{"on_time_minutes": 121}],
        "caregiver_id": [
            {"caregiver_id": str(ada)},
            {"caregiver_id": "01900000-0000-7000-8000-000000000000"},
        ],
        "clinician_id": [{"clinician_id": str(other)}],
    }
    for field, changes in refused.items():
        for change in changes:
            answer = api.call("PATCH", made.headers["location"], staff, change, if_match="*")
            assert (answer.status, [each["field"] for each in answer.body["fields"]]) == (422, [field]), (
                change
            )
    assert api.call("GET", made.headers["location"], staff).etag == made.etag


def test_a_taker_who_is_not_there(api: Api, staff: str) -> None:
    body = {"clinician_id": str(UUID(int=1)), "label": "tablets", "recurrence": DAILY}

    assert api.call("POST", "/v1/medications", staff, body).body["fields"][0]["field"] == "clinician_id"
