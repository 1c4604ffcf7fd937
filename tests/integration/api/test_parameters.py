"""Query parameters that no route declares are refused everywhere, by name."""

from uuid import UUID

import pytest

from nolapse.api.identity import Role
from nolapse.api.parameters import LINKED
from nolapse.api.permissions import ROUTES
from tests.integration.api.conftest import Api, operate, records
from tests.integration.api.test_permissions import request


def test_a_parameter_that_a_route_does_not_take_is_refused_before_anything_else_is_done(
    api: Api, tenant: UUID
) -> None:
    ids = {**records(api, tenant), "token": "x"}
    operate(api, tenant)
    token = api.token(tenant, Role.ADMIN)
    before = api.register.rows("SELECT count(*) FROM audit_log")
    for method, route in ROUTES:
        if route in LINKED:
            continue
        path, body = request(method, route, ids)
        needed = "token=x&" if route.startswith("/clinicians/") else ""

        answer = api.call(method, f"{path}?{needed}Limit=2", token, body, if_match="*")

        assert (answer.status, answer.body["code"]) == (422, "INVALID"), (method, route)
        assert [each["field"] for each in answer.body["fields"]] == ["Limit"], (method, route)
    assert api.register.rows("SELECT count(*) FROM audit_log") == before


def test_what_may_be_asked_is_said(api: Api, staff: str) -> None:
    taken = "cursor, external_id, limit, role, sort, status, supervisor_id"

    answer = api.call("GET", "/v1/clinicians?state=NY&page=2&limit=10", staff)

    assert [each["field"] for each in answer.body["fields"]] == ["page", "state"]
    assert answer.body["fields"][0]["message"] == f"is no query parameter here: there is only {taken}"
    (nothing,) = api.call("GET", "/health/live?verbose=1").body["fields"]
    assert nothing["message"] == "is no query parameter here: there is none"


@pytest.mark.parametrize("link", ["/r/forged", "/u/forged"])
def test_what_a_mail_program_hangs_on_a_link_does_not_close_it(api: Api, link: str) -> None:
    plain, tracked = (api.call("GET", f"{link}{query}") for query in ("", "?utm_source=mail"))

    assert (tracked.status, tracked.body) == (plain.status, plain.body)
    assert tracked.status == 404
