"""Query parameters that no route declares are refused everywhere, by name."""

import pytest

from nolapse.api.identity import Role
from nolapse.api.parameters import LINKED
from nolapse.api.permissions import ROUTES
from tests.integration.api.conftest import Api, operate, records
from tests.integration.api.test_permissions import request


@pytest.mark.parametrize(
    ("method", "route"), [pytest.param(*each, id=" ".join(each)) for each in ROUTES if each[1] not in LINKED]
)
def test_a_parameter_that_the_route_does_not_take_is_refused(api: Api, method: str, route: str) -> None:
    tenant = api.register.tenant("clinic")
    ids = {**records(api, tenant), "token": "x"}
    operate(api, tenant)
    before = api.register.rows("SELECT count(*) FROM audit_log")
    path, body = request(method, route, ids)
    token = "token=x&" if route.startswith("/clinicians/") else ""

    answer = api.call(method, f"{path}?{token}Limit=2", api.token(tenant, Role.ADMIN), body, if_match="*")

    assert (answer.status, answer.body["code"]) == (422, "INVALID")
    (field,) = answer.body["fields"]
    assert field["field"] == "Limit"
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
