"""Many records in one request: all or none, and one answer for each."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from nolapse.planning.importing.survey import survey
from nolapse.runtime.imports import import_register
from tests.integration.api.conftest import Answer, Api
from tests.integration.conftest import NOW
from tests.integration.waiting import wait_for

PEOPLE = [{"external_id": name, "full_name": name.title()} for name in ("ada", "bob", "cat")]


def outcomes(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [each["outcome"] for each in answer.body["items"]]


def people(api: Api, staff: str, items: list[dict[str, Any]] = PEOPLE) -> Answer:
    return api.call("POST", "/v1/clinicians/bulk", staff, {"items": items})


def licences(holders: list[str], expires_on: str = "2027-01-31") -> dict[str, Any]:
    return {
        "items": [
            {
                "clinician_id": holder,
                "license_type": "RN",
                "license_number": f"RN-{number}",
                "expires_on": expires_on,
            }
            for number, holder in enumerate(holders)
        ]
    }


def test_people_are_added_changed_and_left(api: Api, staff: str) -> None:
    first = people(api, staff)
    assert outcomes(first) == ["created"] * 3
    assert outcomes(people(api, staff)) == ["unchanged"] * 3

    second = people(
        api,
        staff,
        [PEOPLE[2], {**PEOPLE[0], "timezone": "Asia/Kolkata"}, {**PEOPLE[1], "external_id": "new"}],
    )

    assert outcomes(second) == ["unchanged", "changed", "created"]
    ids = [[each["id"] for each in answer.body["items"]] for answer in (first, second)]
    assert ids[1][:2] == [ids[0][2], ids[0][0]]
    audited = "SELECT action, count(*) FROM audit_log WHERE action LIKE 'clinician%' GROUP BY 1 ORDER BY 1"
    assert api.register.rows(audited) == [("clinician.changed", 1), ("clinician.created", 4)]


def test_who_was_deleted_comes_back(api: Api, staff: str) -> None:
    ada = people(api, staff).body["items"][0]["id"]
    api.call("DELETE", f"/v1/clinicians/{ada}", staff, if_match="*")

    assert outcomes(people(api, staff)) == ["changed", "unchanged", "unchanged"]
    assert api.call("GET", f"/v1/clinicians/{ada}", staff).status == 200


def test_licences_are_planned_moved_and_handed_over_in_one_run(api: Api, staff: str) -> None:
    holders = [each["id"] for each in people(api, staff).body["items"]]
    made = api.call("POST", "/v1/licenses/bulk", staff, licences(holders))
    assert outcomes(made) == ["created"] * 3
    assert len(made.body["rescheduled"]["created"]) == 9

    renewed = api.call("POST", "/v1/licenses/bulk", staff, licences(holders, "2027-10-31"))
    assert outcomes(renewed) == ["changed"] * 3
    assert len(renewed.body["rescheduled"]["moved"]) == 9
    turned = api.call("POST", "/v1/licenses/bulk", staff, licences(holders[1:] + holders[:1], "2027-10-31"))
    assert len(turned.body["rescheduled"]["cancelled"]) == len(turned.body["rescheduled"]["created"]) == 9
    assert api.register.plan().rows == {}
    again = api.call("POST", "/v1/licenses/bulk", staff, licences(holders[1:] + holders[:1], "2027-10-31"))
    assert outcomes(again) == ["unchanged"] * 3


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ([], ["items"]),
        ([*PEOPLE, PEOPLE[1]], ["items.3.external_id"]),
        (
            [{**PEOPLE[0], "email": "nobody"}, PEOPLE[1], {"external_id": "x"}],
            ["items.0.email", "items.2.full_name"],
        ),
        ([{**PEOPLE[0], "supervisor_id": str(uuid4())}], ["supervisor_id"]),
        ([{"external_id": str(n), "full_name": "X"} for n in range(501)], ["items"]),
    ],
    ids=["none", "twins", "fields", "supervisor", "too many"],
)
def test_one_that_is_wrong_keeps_all_out(
    api: Api, staff: str, items: list[dict[str, Any]], named: list[str]
) -> None:
    answer = people(api, staff, items)

    assert (answer.status, [each["field"] for each in answer.body["fields"]]) == (422, named)
    assert api.register.rows("SELECT clinician_id FROM clinicians") == []


def test_a_holder_of_another_tenant(api: Api, staff: str) -> None:
    other = api.register.clinician(api.register.tenant("other"))
    mine = UUID(people(api, staff).body["items"][0]["id"])

    answer = api.call("POST", "/v1/licenses/bulk", staff, licences([str(mine), str(other)]))

    assert (answer.status, answer.body["fields"][0]["field"]) == (422, "clinician_id")
    assert api.register.rows("SELECT license_id FROM licenses") == []


@pytest.mark.parametrize(
    "hold",
    [
        "INSERT INTO clinicians (tenant_id, external_id, full_name) VALUES (:tenant, 'person 5', 'Ada')",
        "SELECT FROM clinicians WHERE tenant_id = :tenant AND external_id = 'person 5' FOR UPDATE",
    ],
    ids=["new", "known"],
)
def test_an_import_meanwhile_and_neither_is_in_the_other_s_way(
    api: Api, tenant: UUID, staff: str, tmp_path: Path, hold: str
) -> None:
    """The same people in two orders, both stopped halfway: whoever comes second waits for the first."""
    engine, register = api.register.database.engine, tmp_path / "register.csv"

    def imports(name: str) -> None:
        rows = (f"RN-{number},RN,NY,2027-01-31,person {number},{name} {number}\n" for number in range(10))
        register.write_text("license_number,license_type,state,expires,person_id,full_name\n" + "".join(rows))
        import_register(
            engine, survey(register), tenant="clinic", rejects=tmp_path / "rejects.csv",
            actor="import", now=NOW, horizon_months=1, lookback_days=1,
        )  # fmt: skip

    is_known = hold.startswith("SELECT")
    if is_known:
        imports("Ada")
    items = [
        {"external_id": f"person {number}", "full_name": f"Grace {number}"} for number in reversed(range(10))
    ]
    with ThreadPoolExecutor() as pool:
        with api.register.database.owner.begin() as holder:
            holder.execute(text(hold), {"tenant": tenant})
            bulk = pool.submit(people, api, staff, items)
            wait_for(api.register, 1)
            importing = pool.submit(imports, "Joan")
            wait_for(api.register, 2)
            holder.rollback()
        assert outcomes(bulk.result()) == ["changed" if is_known else "created"] * 10
        importing.result()
    assert api.register.rows("SELECT DISTINCT split_part(full_name, ' ', 1) FROM clinicians") == [("Joan",)]
