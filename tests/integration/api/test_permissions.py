"""Every route by every role, with own and another tenant, by the one matrix that the API itself asks."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from local.postgres import Postgres
from nolapse.api.identity import Role
from nolapse.api.permissions import ANYBODY, ROUTES
from tests.conftest import Database, cloned
from tests.integration.api.conftest import Api, Kept, serving

OF_A_PERSON = {"/v1/licenses", "/v1/medications"}
GUARDED = [
    pytest.param(*route, id=" ".join(route)) for route, roles in ROUTES.items() if roles is not ANYBODY
]
STEPS = [{"event": "PRIMARY", "days": -45, "template": "primary"}]
OURS = {
    "name": "ours", "occasion": "LICENSE_EXPIRY", "license_type": "RN",
    "window": {"opens": "08:00", "closes": "12:00"}, "steps": STEPS,
}  # fmt: skip
# What is asked where it is no record.
ASKED: dict[str, Any] = {
    "POST /v1/notifications/resend": {"dry_run": False},
    "POST /v1/holds/<key>/decision": {"decision": "DROP"},
    "POST /v1/policies": {**OURS, "name": "doctors", "license_type": "MD"},
    "PUT /v1/policies/<policy_id>": OURS,
    "POST /v1/policies/<policy_id>/diff": {},
    "POST /v1/policies/<policy_id>/activate": {"version": 2},
    "POST /v1/policies/<policy_id>/rollback": None,
    "POST /v1/imports": {"file_name": "register.csv"},
    "POST /v1/tenants": {
        "slug": "new",
        "name": "New",
        "timezone": "America/New_York",
        "contact_email": "desk@new.test",
    },
    "PATCH /v1/tenants/<tenant_id>": {"name": "Renamed"},
    "PUT /v1/tenants/<tenant_id>/webhook": {"url": "https://new.test/"},
    "POST /v1/tenants/<tenant_id>/senders": {"provider": "sendgrid", "address": "new@clinic.test"},
    "PATCH /v1/tenants/<tenant_id>/senders/<sender_id>": {"messages_per_minute": 5},
    "POST /v1/suppressions/<suppression_id>/lift": None,
    "POST /v1/clinicians/<clinician_id>/links/revoke": None,
}
OF_THE_OPERATOR = {("GET", "/v1/reports/drift"), ("POST", "/v1/tenants")}
# A change by which a record of another tenant would give itself away.
CHANGES: dict[str, Any] = {
    "/v1/clinicians": {"external_id": "new", "full_name": "Grace Hopper"},
    "/v1/users": {"external_id": "new", "full_name": "Grace Hopper", "birthday": "1980-02-29"},
    "/v1/medications": {
        "label": "your tablets",
        "recurrence": "DTSTART;TZID=America/New_York:20261201T080000\nRRULE:FREQ=DAILY",
    },
    "/v1/licenses": {"license_type": "RN", "license_number": "RN-9", "expires_on": "2027-06-30"},
}


def registered(app: Any) -> set[tuple[str, str]]:
    return {(route.method, route.path) for route in app._static_routes + app._dynamic_routes}


def test_every_route_stands_in_the_matrix_and_every_row_has_its_route(api: Api) -> None:
    api.front.resources.make_all()
    assert registered(api.front.app) == ROUTES.keys()


def test_a_route_is_made_with_its_file_when_it_is_asked_for(api: Api, tmp_path: Path) -> None:
    of_resources = ROUTES.keys() - registered(api.front.app)
    assert {route.split("/")[1] for _, route in of_resources} == {"v1"}
    for method, route in of_resources:
        with serving(api.register, tmp_path) as anew:
            anew.front.resources.make(route)
            made = registered(anew.front.app)
        assert (method, route) in made
        assert made != ROUTES.keys()


def request(method: str, route: str, ids: Mapping[str, Any]) -> tuple[str, Any]:
    path = re.sub(r"<(\w+)>", lambda name: str(ids[name[1]]), route)
    if method not in {"POST", "PUT", "PATCH"}:
        return path, None
    if f"{method} {route}" in ASKED:
        return path, ASKED[f"{method} {route}"]
    if route.endswith("/erase"):
        return path, {"confirm": "ada"}
    base = "/".join(route.split("/")[:3])
    whole = {**CHANGES[base], "clinician_id": str(ids["clinician_id"])}
    record = whole if base in OF_A_PERSON else CHANGES[base]
    return path, {"items": [record]} if route.endswith("/bulk") else record


@pytest.fixture
def database(postgres: Postgres, kept: Kept) -> Iterator[Database]:
    with cloned(postgres, kept.name) as made:
        yield made


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "route"), GUARDED)
def test_a_role_may_what_the_matrix_says_with_its_own_tenant_s_records(
    api: Api, kept: Kept, method: str, route: str, role: Role
) -> None:
    token = api.token(kept.tenant, role, clinician_id=kept.ids["clinician_id"])

    path, body = request(method, route, kept.ids)
    answer = api.call(method, path, token, body, if_match="*")

    if role in ROUTES[method, route]:
        assert answer.status in {200, 201}, answer.body
    else:
        assert (answer.status, answer.body["code"]) == (403, "ROLE")


SNAPSHOT = (
    "clinicians", "licenses", "person_dates", "medications", "notification_schedule", "notification_outbox",
    "renewal_policies", "policy_version", "imports", "tenants", "tenant_webhooks",
    "suppressions", "senders",
)  # fmt: skip


def named(shown: Any) -> set[str]:
    """Every value in an answer."""
    if isinstance(shown, dict):
        shown = list(shown.values())
    return set().union(*map(named, shown)) if isinstance(shown, list) else {str(shown)}


def everything(api: Api) -> list[object]:
    """But that the caller's own record was read."""
    tables = [api.register.rows(f"SELECT * FROM {table} ORDER BY 1") for table in SNAPSHOT]  # noqa: S608
    return [*tables, api.register.rows("SELECT * FROM audit_log WHERE action <> 'person.read' ORDER BY 1")]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "route"), GUARDED)
def test_nobody_reaches_another_tenant_s_records_and_nothing_changes(
    api: Api, kept: Kept, method: str, route: str, role: Role
) -> None:
    tenant = api.register.tenant("mine")
    mine = api.register.clinician(tenant, "mine")
    token = api.token(tenant, role, clinician_id=mine)
    before = everything(api)

    path, body = request(method, route, kept.ids)
    answer = api.call(method, path, token, body, if_match="*")

    if role not in ROUTES[method, route]:
        assert (answer.status, answer.body["code"]) == (403, "ROLE")
    elif (method, route) in OF_THE_OPERATOR:
        assert (answer.status, answer.body["code"]) == (403, "OPERATOR")
    elif "<" in route:
        assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")
    elif not route.startswith("/v1/"):
        assert answer.status == 200
        assert not {str(value) for value in kept.ids.values()} & set(
            re.findall(r"[0-9a-f-]{36,}", str(answer.body))
        )
    elif method == "GET":
        assert not named(answer.body) & {str(each) for each in kept.ids.values()}
    elif route == "/v1/notifications/resend":
        assert answer.body["found"] == 0
    elif "/".join(route.split("/")[:3]) in OF_A_PERSON:
        assert answer.body["fields"][0]["field"] == "clinician_id"
    else:
        return  # created, and the caller's own
    assert everything(api) == before


@pytest.mark.parametrize(("method", "route"), GUARDED)
def test_without_a_token_there_is_no_answer(api: Api, method: str, route: str) -> None:
    ids = dict.fromkeys(re.findall(r"<(\w+)>", route), UUID(int=0)) | {"clinician_id": UUID(int=0)}
    assert api.call(method, request(method, route, ids)[0]).status == 401


# A pattern's end matches before a last line break too, by which a resolver may know a path that the matrix does not.
@pytest.mark.parametrize("beside", ["%0A", "/"])
def test_a_path_beside_a_route_is_nobody_s(api: Api, beside: str) -> None:
    api.front.resources.make_all()
    token = api.token(api.register.tenant("mine"), Role.ADMIN)
    before = everything(api)
    for method, route in ROUTES:
        ids = dict.fromkeys(re.findall(r"<(\w+)>", route), UUID(int=0)) | {"clinician_id": UUID(int=0)}
        path, body = request(method, route, ids) if route.startswith("/v1/") else (route, None)
        anybody = api.call(method, path + beside, None, body)
        admin = api.call(method, path + beside, token, body, if_match="*")
        assert anybody.status == (401 if route.startswith("/v1/") else 404), (method, route)
        assert admin.status == 404, (method, route)
    assert everything(api) == before
