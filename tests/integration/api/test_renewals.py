"""Renewals: the read model in a tenant's own rows, by today's date, and at its risk."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from nolapse.api.identity import Role
from nolapse.oversight.renewals import refresh_renewals
from nolapse.storage.engine import tenant_transaction
from tests.integration.api.conftest import Api
from tests.integration.conftest import NOW, acknowledge

TODAY = date(2026, 10, 25)  # in New York, when NOW is midnight UTC


def licence(api: Api, tenant: UUID, days: int | None, name: str = "ada", **person: Any) -> UUID:
    expires_on = None if days is None else TODAY + timedelta(days=days)
    return api.register.license(
        tenant, api.register.clinician(tenant, name, **person), expires_on, number=name
    )


def told(api: Api) -> None:
    for status in ("QUEUED", "SENDING", "SENT"):
        api.register.execute(
            "UPDATE notification_schedule SET status = CAST(:status AS text), claimed_at = :now"
            " WHERE event = 'PRIMARY'",
            status=status,
            now=NOW,
        )


def listed(api: Api, token: str, query: str = "") -> list[dict[str, Any]]:
    refresh_renewals(api.register.database.engine)
    answer = api.call("GET", f"/v1/renewals{query}", token)
    assert answer.status == 200, answer.body
    items: list[dict[str, Any]] = answer.body["items"]
    return items


@pytest.mark.parametrize(
    ("days", "risk"), [(90, 0), (200, 0), (45, 30), (3, 58), (0, 60), (-5, 60), (None, 0)]
)
def test_risk_grows_with_the_days(api: Api, tenant: UUID, staff: str, days: int | None, risk: int) -> None:
    licence(api, tenant, days)
    (renewal,) = listed(api, staff)
    assert (renewal["days_to_expiry"], renewal["risk_score"]) == (days, risk)


def test_nobody_reached_and_nothing_answered_add_to_it(api: Api, tenant: UUID, staff: str) -> None:
    licence(api, tenant, 45, "unreachable", email=None)
    licence(api, tenant, 45, "silent")
    api.register.plan(NOW - timedelta(days=60))
    told(api)
    risks = {each["clinician_id"]: each["risk_score"] for each in listed(api, staff)}
    names = dict(api.register.rows("SELECT external_id, CAST(clinician_id AS text) FROM clinicians"))
    assert (risks[names["unreachable"]], risks[names["silent"]]) == (70, 50)

    acknowledge(api.register)

    risks = {each["clinician_id"]: each["risk_score"] for each in listed(api, staff)}
    assert (risks[names["unreachable"]], risks[names["silent"]]) == (35, 15)


def test_what_comes_next_is_the_schedule_s(api: Api, tenant: UUID, staff: str) -> None:
    licence(api, tenant, 45)
    api.register.plan()
    (renewal,) = listed(api, staff)
    ((first,),) = api.register.rows(
        "SELECT min(scheduled_at) FROM notification_schedule WHERE status IN ('PENDING', 'LATE_PENDING')"
    )
    assert renewal["next_notification_at"] == first.isoformat().replace("+00:00", "Z")


def test_days_are_of_the_day_it_is_read(api: Api, tenant: UUID, staff: str) -> None:
    licence(api, tenant, 10)
    assert listed(api, staff)[0]["days_to_expiry"] == 10
    api.clock.move_to(NOW + timedelta(days=1, hours=5))
    token = api.token(tenant)
    answer = api.call("GET", "/v1/renewals", token)  # not refreshed
    assert answer.body["items"][0]["days_to_expiry"] == 8


def test_what_is_created_edited_and_deleted_shows_at_once(api: Api, tenant: UUID, staff: str) -> None:
    edited, deleted, left, kept = (
        str(licence(api, tenant, 45, name)) for name in ("edited", "deleted", "left", "kept")
    )
    api.register.plan(NOW - timedelta(days=60))
    told(api)
    acknowledge(api.register)
    before = {each["license_id"]: each for each in listed(api, staff)}
    holders = {each: before[each]["clinician_id"] for each in before}

    for method, path, body in (
        ("PATCH", f"/v1/licenses/{edited}", {"expires_on": TODAY + timedelta(days=30), "state": "CA"}),
        ("PATCH", f"/v1/clinicians/{holders[edited]}", {"email": None}),
        ("DELETE", f"/v1/licenses/{deleted}", None),
        ("PATCH", f"/v1/clinicians/{holders[left]}", {"status": "LEFT"}),
        (
            "POST",
            "/v1/licenses",
            {
                "clinician_id": holders[kept],
                "license_type": "MD",
                "license_number": "new",
                "expires_on": TODAY,
            },
        ),
    ):
        assert api.call(method, path, staff, body, if_match="*").status < 300

    after = {each["license_id"]: each for each in api.call("GET", "/v1/renewals", staff).body["items"]}
    (new,) = set(after) - set(before)
    assert set(before) - set(after) == {deleted}
    assert after[kept] == before[kept]
    # Of the date that was asked about an answer says nothing any more; and there is nobody to write to.
    assert {name: after[edited][name] for name in ("state", "days_to_expiry", "answer", "risk_score")} == {
        "state": "CA",
        "days_to_expiry": 30,
        "answer": None,
        "risk_score": 60,
    }
    assert (before[left]["risk_score"], after[left]["risk_score"]) == (15, 0)
    assert (after[new]["license_type"], after[new]["risk_score"]) == ("MD", 60)


def test_who_was_deleted_is_listed_no_more(api: Api, tenant: UUID, staff: str) -> None:
    licence(api, tenant, 45)
    (renewal,) = listed(api, staff)
    path = f"/v1/clinicians/{renewal['clinician_id']}"

    assert api.call("DELETE", path, staff, if_match="*").status == 200

    assert api.call("GET", "/v1/renewals", staff).body["items"] == []


def test_filters_and_pages_go_through_all_of_them_once(api: Api, tenant: UUID, staff: str) -> None:
    for number, days in enumerate((5, 200, 45, 5, None)):
        licence(api, tenant, days, f"p{number}")
    expected = [each["license_id"] for each in listed(api, staff, "?limit=200")]
    seen, cursor = [], ""
    while True:
        body = api.call("GET", f"/v1/renewals?limit=2{cursor}", staff).body
        seen += [each["license_id"] for each in body["items"]]
        if body["next"] is None:
            break
        cursor = f"&cursor={body['next']}"
    assert seen == expected
    assert len(set(seen)) == 5
    assert [each["days_to_expiry"] for each in listed(api, staff, "?sort=expires_on")] == [
        5,
        5,
        45,
        200,
        None,
    ]
    assert [each["days_to_expiry"] for each in listed(api, staff, "?least_risk=50")] == [5, 5]
    assert len(listed(api, staff, "?most_days=45")) == 3


def test_a_physician_sees_their_own(api: Api, tenant: UUID) -> None:
    own = licence(api, tenant, 45, "own")
    licence(api, tenant, 45, "other")
    ((me,),) = api.register.rows("SELECT clinician_id FROM clinicians WHERE external_id = 'own'")
    token = api.token(tenant, Role.PHYSICIAN, clinician_id=me)
    assert [each["license_id"] for each in listed(api, token)] == [str(own)]


# What whoever can run SQL as the API's role might try on another tenant's rows.
ATTACKS = (
    "SELECT count(*) FROM license_renewals WHERE tenant_id = :theirs",
    "SELECT count(*) FROM license_renewals",
    "SELECT count(*) FROM renewals_on('2026-10-25') WHERE license_id = :license",
    # A function that is cheap and tells what it sees would run first, were the view no security barrier.
    "SELECT count(pg_temp.tell(license_id)) FROM license_renewals WHERE pg_temp.tell(license_id)",
)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attacker_finds_no_other_tenant_s(api: Api, tenant: UUID, attack: str) -> None:
    theirs = api.register.tenant("theirs")
    license_id = licence(api, theirs, 45)
    refresh_renewals(api.register.database.engine)
    database = api.register.database
    with tenant_transaction(database.api, "attacker", tenant) as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION pg_temp.tell(id uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS"
            " 'BEGIN RAISE EXCEPTION ''%'', id; END'"
        )
        found = connection.scalar(text(attack), {"theirs": theirs, "license": license_id})
    assert found == 0


@pytest.mark.parametrize("view", ["license_renewal_view", "notification_schedule_past"])
def test_the_view_itself_is_closed_to_the_api(api: Api, tenant: UUID, view: str) -> None:
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        tenant_transaction(api.register.database.api, "attacker", tenant) as connection,
    ):
        connection.execute(text(f"SELECT * FROM {view}"))  # noqa: S608


def test_without_a_tenant_nothing_is_seen(api: Api, tenant: UUID) -> None:
    licence(api, tenant, 45)
    refresh_renewals(api.register.database.engine)
    with api.register.database.api.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM license_renewals")) == 0
