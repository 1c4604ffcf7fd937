"""/v1/notifications and timelines."""

from datetime import date
from uuid import UUID

import pytest

from nolapse.api.identity import Role
from tests.integration.api.conftest import Api


@pytest.fixture
def licence(api: Api, tenant: UUID) -> UUID:
    made = api.register.license(tenant, api.register.clinician(tenant), date(2027, 1, 31))
    api.register.plan()
    return made


def events(api: Api, token: str, query: str = "") -> list[str]:
    answer = api.call("GET", f"/v1/notifications?{query}", token)
    assert answer.status == 200, answer.body
    return [each["event"] for each in answer.body["items"]]


@pytest.mark.usefixtures("licence")
def test_a_list_in_order_of_time_by_what_is_asked(api: Api, staff: str) -> None:
    assert events(api, staff) == ["PRIMARY", "SECONDARY", "PAST_DUE"]
    assert events(api, staff, "sort=-scheduled_at&limit=2") == ["PAST_DUE", "SECONDARY"]
    assert events(api, staff, "status=SENT") == []
    assert events(api, staff, "event=SECONDARY&status=PENDING&occasion=LICENSE_EXPIRY&late=false") == [
        "SECONDARY"
    ]
    assert events(api, staff, "scheduled_from=2026-12-01T00:00:00Z&scheduled_until=2027-01-31T00:00:00Z") == [
        "SECONDARY"
    ]


@pytest.mark.usefixtures("licence")
def test_a_list_goes_page_by_page(api: Api, staff: str) -> None:
    seen, query = [], "limit=1"
    while query:
        page = api.call("GET", f"/v1/notifications?{query}", staff)
        seen += [each["event"] for each in page.body["items"]]
        query = page.body["next"] and f"limit=1&cursor={page.body['next']}"
    assert seen == ["PRIMARY", "SECONDARY", "PAST_DUE"]


def test_one_by_its_key(api: Api, staff: str, licence: UUID) -> None:
    listed = api.call("GET", f"/v1/notifications?license_id={licence}&limit=1", staff).body["items"][0]

    assert api.call("GET", f"/v1/notifications/{listed['key']}", staff).body == listed
    assert api.call("GET", f"/v1/notifications/{'0' * 64}", staff).status == 404
    assert api.call("GET", "/v1/notifications/x", staff).status == 422


def test_a_timeline_of_a_licence_and_of_its_holder(api: Api, staff: str, tenant: UUID, licence: UUID) -> None:
    entries = api.call("GET", f"/v1/licenses/{licence}/timeline", staff).body["entries"]
    assert [(each["event"], each["status"]) for each in entries] == [
        ("PRIMARY", "PENDING"), ("SECONDARY", "PENDING"), ("PAST_DUE", "PENDING"),
    ]  # fmt: skip
    holder = api.call("GET", f"/v1/licenses/{licence}", staff).body["clinician_id"]
    physician = api.token(tenant, Role.PHYSICIAN, clinician_id=UUID(holder))
    assert api.call("GET", f"/v1/clinicians/{holder}/timeline", physician).body["entries"] == entries
