"""Whoever's data an answer shows, the audit log says who read them: every GET of the matrix, by what it answers."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import text

from nolapse.api.identity import Role
from nolapse.api.permissions import ROUTES
from tests.integration.api.conftest import Api, operate, records
from tests.integration.api.test_permissions import request

READS = [route for method, route in ROUTES if method == "GET" and route.startswith("/v1/")]
# What the fixtures' person is called and reached by.
CANARIES = ("Ada Lovelace", "ada@clinic.test", "+12125550100")
NAMING = {"clinician_id", "user_id"}
# Says itself what was done, under an action of its own; the log of who did what is not what a person's record says.
OTHERWISE = {"/v1/clinicians/<clinician_id>/export": "person.exported", "/v1/audit": None}


def told(api: Api) -> list[tuple[str, str, str | None]]:
    rows = api.register.rows(
        "SELECT action, subject, reason FROM audit_log"
        " WHERE action IN ('person.read', 'person.exported') ORDER BY seq"
    )
    return [(action, subject, reason) for action, subject, reason in rows]


def fields(shown: Any) -> Iterator[tuple[str, Any]]:
    """Every field of an answer, however deep."""
    if isinstance(shown, dict):
        yield from shown.items()
        shown = list(shown.values())
    if isinstance(shown, list):
        for each in shown:
            yield from fields(each)


def shows_somebody(route: str, body: Any, person: str) -> bool:
    """By whom its path names, by the ids that it answers with, or by what it says of them."""
    about = {"<clinician_id>", "<user_id>", "<license_id>", "<medication_id>", "<key>"}
    named = any(name in NAMING and str(value) == person for name, value in fields(body))
    return (
        named or bool(about & set(re.findall(r"<\w+>", route))) or any(each in str(body) for each in CANARIES)
    )


def test_a_read_of_somebody_s_data_stands_in_the_audit_log(api: Api, tenant: UUID) -> None:
    ids = records(api, tenant)
    operate(api, tenant)
    with api.register.database.owner.begin() as connection:
        connection.execute(
            text("UPDATE clinicians SET full_name = :name, email = :email, phone = :phone"),
            dict(zip(("name", "email", "phone"), CANARIES, strict=True)),
        )
        connection.exec_driver_sql("REFRESH MATERIALIZED VIEW license_renewal_view")
    token, person = api.token(tenant, Role.ADMIN), str(ids["clinician_id"])
    audited = 0
    for route in READS:
        before = told(api)

        answer = api.call("GET", request("GET", route, ids)[0], token)

        assert answer.status == 200, (route, answer.body)
        action = OTHERWISE.get(route, "person.read")
        expected = [action] if action and shows_somebody(route, answer.body, person) else []
        said = told(api)[len(before) :]
        reason = route if action == "person.read" else None
        assert said == [(each, f"clinician:{person}", reason) for each in expected], route
        audited += len(said)
    # Of a matrix whose reads name nobody the walk would say nothing.
    assert audited >= 12
