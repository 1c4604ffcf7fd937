"""/v1/policies: drafted, compared, put into force and taken back, and the platform's untouched."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest

from nolapse.api.identity import Role
from tests.integration.api.conftest import Api, counted

OURS = {
    "name": "nurses", "occasion": "LICENSE_EXPIRY", "license_type": "RN",
    "window": {"opens": "09:00", "closes": "11:30"},
    "steps": [{"event": "PRIMARY", "days": -60, "template": "primary"}],
}  # fmt: skip


@pytest.fixture
def licence(api: Api, tenant: UUID) -> UUID:
    made = api.register.license(tenant, api.register.clinician(tenant), date(2027, 3, 31))
    api.register.plan()
    return made


def waiting(api: Api) -> list[tuple[Any, ...]]:
    return api.register.rows(
        "SELECT event, to_char(scheduled_at AT TIME ZONE 'America/New_York', 'MM-DD HH24:MI')"
        " FROM notification_schedule WHERE status = 'PENDING' ORDER BY scheduled_at"
    )


@pytest.mark.usefixtures("licence")
def test_a_draft_is_compared_activated_and_rolled_back(api: Api, admin: str) -> None:
    before = waiting(api)
    made = api.call("POST", "/v1/policies", admin, OURS)
    assert (made.status, made.body["active"], made.body["draft"]["version"]) == (201, None, 1)
    path = made.headers["location"]
    assert waiting(api) == before

    compared = api.call("POST", f"{path}/diff", admin, {}).body
    assert {name: count["messages"] for name, count in compared["changes"].items() if count["messages"]} == {
        "shifted": 1, "lost": 2,
    }  # fmt: skip
    assert waiting(api) == before

    active = api.call("POST", f"{path}/activate", admin, {"version": 1}).body
    assert (active["active"]["version"], active["draft"]) == (1, None)
    assert active["planned"] == {"cancelled_cancelled": 3, "inserted_pending": 1}
    assert waiting(api) == [("PRIMARY", "01-30 09:00")]
    assert api.call("POST", f"{path}/activate", admin, {"version": 1}).status == 409

    back = api.call("POST", f"{path}/rollback", admin).body
    assert (back["active"], back["draft"]) == (None, None)
    assert waiting(api) == before
    assert api.call("POST", f"{path}/rollback", admin).status == 409
    actions = api.register.rows(
        "SELECT action, actor FROM audit_log WHERE action LIKE 'policy.%' ORDER BY seq"
    )
    assert [action for action, _ in actions] == ["policy.drafted", "policy.activated", "policy.rolled_back"]
    assert {actor.partition(":")[0] for _, actor in actions} == {"admin"}


@pytest.mark.usefixtures("licence")
def test_what_decides_about_a_policy_answers_with_its_tag(api: Api, admin: str) -> None:
    path = api.call("POST", "/v1/policies", admin, OURS).headers["location"]
    for decide, body in (("activate", {"version": 1}), ("rollback", None)):
        decided = api.call("POST", f"{path}/{decide}", admin, body)
        assert decided.etag == api.call("GET", path, admin).etag
    assert api.call("PUT", path, admin, OURS, if_match=decided.etag).status == 200


def test_a_replaced_draft_is_another_version_and_two_writers_do_not_lose_one(api: Api, admin: str) -> None:
    path = api.call("POST", "/v1/policies", admin, OURS).headers["location"]
    read = api.call("GET", path, admin)
    longer = {**OURS, "grace_days": 5}

    first = api.call("PUT", path, admin, longer, if_match=read.etag)
    second = api.call("PUT", path, admin, OURS, if_match=read.etag)

    assert (first.status, first.body["draft"]["version"], first.body["draft"]["grace_days"]) == (200, 2, 5)
    assert second.status == 412
    versions = api.call("GET", f"{path}/versions", admin).body["items"]
    assert [(each["version"], each["status"]) for each in versions] == [(2, "DRAFT"), (1, "RETIRED")]
    assert api.call("GET", f"{path}/versions/1", admin).body == versions[1]
    assert api.call("GET", f"{path}/versions/3", admin).status == 404
    page = api.call("GET", f"{path}/versions?limit=1", admin).body
    assert (
        api.call("GET", f"{path}/versions?limit=1&cursor={page['next']}", admin).body["items"] == versions[1:]
    )
    assert api.call("PUT", path, admin, {**OURS, "license_type": "MD"}, if_match="*").status == 422


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [{"event": "PRIMARY", "days": -60, "template": "novel"}]}, "steps.0.template"),
        ({"steps": [{"event": "PRIMARY", "days": -60, "template": "primary", "channels": ["PIGEON"]}]},
         "steps.0.channels.0"),
        ({"window": {"opens": "noon", "closes": "13:00"}}, "window.opens"),
        ({"window": {"opens": "12:00", "closes": "11:00"}}, "window"),
        ({"holidays": "US-NY"}, ""),
        ({"window": {"opens": "20:00", "closes": "21:00"},
          "steps": [{"event": "PRIMARY", "days": -60, "template": "primary", "channels": ["SMS"]}]}, ""),
        ({"tenant": "another"}, "tenant"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(api: Api, admin: str, wrong: dict[str, Any], field: str) -> None:
    answer = api.call("POST", "/v1/policies", admin, {**OURS, **wrong})

    assert answer.status == 422, answer.body
    assert [each["field"] for each in answer.body["fields"]] == [field]
    assert api.register.rows("SELECT name FROM renewal_policies WHERE name = 'nurses'") == []


def test_a_second_policy_for_the_same_dates_stands_in_the_way(api: Api, admin: str) -> None:
    assert api.call("POST", "/v1/policies", admin, OURS).status == 201
    assert api.call("POST", "/v1/policies", admin, {**OURS, "name": "again"}).status == 409


def test_the_platform_s_policies_are_read_and_nothing_else(api: Api, admin: str) -> None:
    listed = api.call("GET", "/v1/policies?occasion=LICENSE_EXPIRY", admin).body["items"]
    default = next(each for each in listed if each["is_platforms"])
    path = f"/v1/policies/{default['policy_id']}"
    before = api.register.rows("SELECT * FROM policy_version ORDER BY policy_id, version")

    assert api.call("GET", path, admin).body["active"]["version"] >= 1
    for answer in (
        api.call("PUT", path, admin, OURS, if_match="*"),
        api.call("POST", f"{path}/diff", admin, {}),
        api.call("POST", f"{path}/activate", admin, {"version": 1}),
        api.call("POST", f"{path}/rollback", admin),
    ):
        assert (answer.status, answer.body["code"]) == (403, "PLATFORM")
    assert api.register.rows("SELECT * FROM policy_version ORDER BY policy_id, version") == before


def test_a_draft_of_working_days_brings_its_calendar(api: Api, admin: str) -> None:
    ours = {**OURS, "business_days": "BEFORE", "holidays": "US-WY"}
    path = api.call("POST", "/v1/policies", admin, ours).headers["location"]

    assert api.call("POST", f"{path}/diff", admin, {}).status == 200
    assert api.register.rows("SELECT count(*) > 400 FROM day_off WHERE calendar = 'US-WY'") == [(True,)]


def test_reading_makes_as_many_statements_for_many_versions_as_for_one(
    api: Api, admin: str, tenant: UUID
) -> None:
    staff = api.token(tenant, Role.CLINIC)
    path = api.call("POST", "/v1/policies", admin, OURS).headers["location"]
    counts = []
    for grace in range(1, 4):
        with counted(api) as made:
            for route in ("/v1/policies", path, f"{path}/versions"):
                assert api.call("GET", route, staff).status == 200
        counts.append(len(made))
        assert api.call("PUT", path, admin, {**OURS, "grace_days": grace}, if_match="*").status == 200
    assert len(set(counts)) == 1
