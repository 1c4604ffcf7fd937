"""What an import lets in can be edited and erased by the API, whatever the register looked like."""

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from nolapse.api.identity import Role
from nolapse.planning.importing.report import ImportReport
from nolapse.planning.importing.survey import survey
from nolapse.runtime.imports import import_register
from tests.integration.api.conftest import Api
from tests.integration.conftest import NOW

Import = Callable[[list[list[str]]], ImportReport]
HEADER = [
    "License Number",
    "License Type",
    "State",
    "Expiration Date",
    "Full Name",
    "Email",
    "Phone",
    "Person Id",
]
LONG = "Averylongname " * 14
ODD = [
    ["M-1\u00adX", "R\u200bN", "NY", "2027-01-31", "Mia\u200bOne", "m1@x.test", "", "M1"],
    [
        "\ufeffM-2",
        "RN",
        "Ontario College of Nurses",
        "2027-01-31",
        "A\u202eB\x07",
        "m2@x.test",
        "2125550134",
        "M\x002",
    ],
    ["M-3", "RN", "ny", "2027-01-31", LONG, f"{'z' * 60}@{'w' * 60}.test", "", ""],
    ["M-4", "T" * 200, "New York", "2027-01-31", "", "", "", ""],
    ["N" * 200, "U" * 200, "\u00df" * 25, "2027-01-31", "", "", "", ""],
    [
        "M-6",
        "RN",
        "\u0131daho",
        "2027-01-31",
        "\u0130da",
        "ida@\u0130.test",
        "+1212555\u0660134",
        "\u00df" * 200,
    ],
    ["M-7", "RN", "N.Y.", "OPEN", "  Zo\u00eb \t Null ", "Zo\u00eb <Zoe@X.TEST>", "00442079460958", "="],
    ['="0\u00ad8"', "RN", "NY", "2099-12-31", "=Ada", "a..b@x.test", "", '="007"'],
    [
        "\U0001f600",
        "\u767b\u9332",
        "\u6771\u4eac",
        "2027-01-31",
        "\u767b\u9332\u7c3f",
        "",
        "",
        "\u0644\u200c\u0627",
    ],
]


@pytest.fixture
def imported(api: Api, tenant: UUID, tmp_path: Path) -> Import:  # noqa: ARG001  whose the rows are
    def run(rows: list[list[str]]) -> ImportReport:
        path = tmp_path / "register.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *rows])
        return import_register(
            api.register.database.engine, survey(path), tenant="clinic", rejects=tmp_path / "rejects.csv", actor="test",
            now=NOW, horizon_months=13, lookback_days=14,
        )  # fmt: skip

    return run


def listed(api: Api, token: str, what: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.call("GET", f"/v1/{what}?limit=200", token).body["items"]
    return items


def stands(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in {"updated_at", "rescheduled"}}


def test_whatever_was_imported_can_be_edited_and_its_people_erased(
    api: Api, tenant: UUID, imported: Import
) -> None:
    admin = api.token(tenant, Role.ADMIN)
    report = imported(ODD)
    assert (report.licenses.new, report.rows.rejected) == (len(ODD), 0)

    for license_ in listed(api, admin, "licenses"):
        path = f"/v1/licenses/{license_['license_id']}"
        answer = api.call("PATCH", path, admin, {"expires_on": "2028-01-31"}, if_match="*")
        assert (answer.status, stands(answer.body)) == (200, stands(license_ | {"expires_on": "2028-01-31"}))
    for person in listed(api, admin, "clinicians"):
        path = f"/v1/clinicians/{person['clinician_id']}"
        answer = api.call("PATCH", path, admin, {"role": "STAFF"}, if_match="*")
        assert (answer.status, stands(answer.body)) == (200, stands(person | {"role": "STAFF"}))
        erased = api.call("POST", f"{path}/erase", admin, {"confirm": person["external_id"]})
        assert (erased.status, erased.body["clinician_id"]) == (200, person["clinician_id"])
    assert listed(api, admin, "clinicians") == []


def test_who_goes_by_an_id_that_no_body_may_have_can_be_erased(api: Api, tenant: UUID) -> None:
    odd = " \u200b" + "x" * 300
    person = api.register.clinician(tenant, odd)
    path, admin = f"/v1/clinicians/{person}/erase", api.token(tenant, Role.ADMIN)

    assert api.call("POST", path, admin, {"confirm": odd.strip()}).status == 422
    assert api.call("POST", path, admin, {"confirm": odd}).status == 200


def test_a_state_by_any_name_is_one_licence(api: Api, staff: str, imported: Import) -> None:
    imported([["S-9", "RN", "N.y", "2027-06-10", "St Pol", "sp@x.test", "", "STP"]])
    imported([["S-8", "RN", "new york", "2027-06-10", "St Pol", "sp@x.test", "", "STP"]])
    (person,) = listed(api, staff, "clinicians")
    body = {"clinician_id": person["clinician_id"], "license_type": "RN", "license_number": "S-8"}

    assert api.call("POST", "/v1/licenses", staff, {**body, "state": "New York"}).status == 409
    many = [{**body, "state": state, "expires_on": "2027-07-01"} for state in (" ny"[1:], "Ontario")]
    found = api.call("POST", "/v1/licenses/bulk", staff, {"items": many}).body["items"]
    assert [each["outcome"] for each in found] == ["changed", "created"]
    twins = api.call(
        "POST", "/v1/licenses/bulk", staff, {"items": [many[0], {**many[0], "state": "NEW YORK"}]}
    )
    assert (twins.status, twins.body["fields"][0]["field"]) == (422, "items.1.license_number")

    for asked in ("NY", "ny", "New%20York"):
        items = api.call("GET", f"/v1/licenses?state={asked}&license_number=S-8", staff).body["items"]
        assert [(each["state"], each["expires_on"]) for each in items] == [("NY", "2027-07-01")]
    path = f"/v1/licenses/{found[1]['id']}"
    moved = api.call("PATCH", path, staff, {"state": "texas"}, if_match="*").body
    assert (moved["state"], moved["expires_on"]) == ("TX", str(date(2027, 7, 1)))
    too_long = api.call("PATCH", path, staff, {"state": "\u00df" * 26}, if_match="*")
    assert (too_long.status, too_long.body["fields"][0]["field"]) == (422, "state")
