"""What requests ask the database: lists walk an index in their own order, and no route asks more for more records."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text

from tests.integration.api.conftest import Api, operate

PEOPLE = 5_000
LISTS = {
    "/v1/clinicians?sort=full_name": "clinicians_by_name",
    "/v1/clinicians?sort=-full_name": "clinicians_by_name",
    "/v1/clinicians?sort=external_id": "clinicians_tenant_id_external_id_key",
    "/v1/clinicians?sort=-created_at": "clinicians_tenant_id_clinician_id_key",
    "/v1/users": "clinicians_by_name",
    "/v1/licenses?sort=expires_on": "licenses_by_expiry",
    "/v1/licenses?sort=-expires_on": "licenses_by_expiry",
    "/v1/licenses?sort=license_number": "licenses_by_number",
    "/v1/licenses?sort=created_at": "licenses_tenant_id_license_id_key",
    "/v1/medications?sort=label": "medications_by_label",
    "/v1/medications?sort=created_at": "medications_tenant_id_medication_id_key",
    "/v1/notifications": "notification_schedule_by_time",
    "/v1/notifications?sort=-scheduled_at": "notification_schedule_by_time",
}


@pytest.fixture
def token(api: Api) -> str:
    """Of one of five clinics with a thousand people each, a licence and a medication each, all planned."""
    register = api.register
    for number in range(5):
        register.tenant(f"clinic-{number}")
    register.execute(
        "INSERT INTO clinicians (tenant_id, external_id, full_name)"
        " SELECT tenant_id, 'N-' || n, 'Ada ' || n FROM tenants, generate_series(1, :each) AS n",
        each=PEOPLE // 5,
    )
    register.execute(
        "INSERT INTO licenses (tenant_id, clinician_id, license_type, license_number, expires_on)"
        " SELECT tenant_id, clinician_id, 'RN', external_id,"
        " DATE '2026-12-01' + mod(CAST(substr(external_id, 3) AS integer) * 37, 700) FROM clinicians"
    )
    register.execute(
        "INSERT INTO medications (tenant_id, clinician_id, label, starts_at, timezone, rrule, effective_from, status)"
        " SELECT tenant_id, clinician_id, external_id, '2026-01-01', 'UTC', 'FREQ=DAILY', now(), 'STOPPED'"
        " FROM clinicians"
    )
    register.plan()
    with register.database.owner.begin() as connection:
        connection.execute(text("ANALYZE"))
    ((tenant,),) = register.rows("SELECT tenant_id FROM tenants WHERE slug = 'clinic-3'")
    return api.token(tenant)


@contextmanager
def heard(api: Api) -> Iterator[list[tuple[str, Any]]]:
    """Statements and parameters, as they go to the database."""
    said: list[tuple[str, Any]] = []

    def hear(*arguments: Any) -> None:
        said.append((arguments[2], arguments[3]))

    event.listen(api.register.database.api, "before_cursor_execute", hear)
    yield said
    event.remove(api.register.database.api, "before_cursor_execute", hear)


def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from below(child)


def test_lists_walk_an_index_in_their_own_order(api: Api, token: str) -> None:
    ((tenant,),) = api.register.rows("SELECT CAST(tenant_id AS text) FROM tenants WHERE slug = 'clinic-3'")
    for path, index in LISTS.items():
        joined = "&" if "?" in path else "?"
        with heard(api) as said:
            page = api.call("GET", f"{path}{joined}limit=10", token)
        with heard(api) as continued:
            api.call("GET", f"{path}{joined}limit=10&cursor={page.body['next']}", token)
        for statements in (said, continued):
            ((listing, parameters),) = [each for each in statements if "sorted_by" in each[0]]
            with api.register.database.api.begin() as connection:
                connection.execute(
                    text("SELECT set_config('app.tenant_id', :tenant, true)"), {"tenant": tenant}
                )
                answer = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {listing}", parameters).scalar()
            nodes = list(below(answer[0]["Plan"]))
            kinds = {node["Node Type"] for node in nodes}
            used = {node["Index Name"] for node in nodes if "Index Name" in node}
            assert not kinds & {"Seq Scan", "Sort"}, (path, kinds)
            # In order of ids a primary key will do too, where a tenant has a good part of the rows.
            walked = {parent(api, name) for name in used}
            assert walked == {index} or (index.endswith("_id_key") and walked == {primary_key(index)}), path


def primary_key(index: str) -> str:
    return f"{index.partition('_')[0]}_pkey"


def parent(api: Api, index: str) -> str:
    """A partition's own go by their parent's name."""
    found = api.register.rows(
        "SELECT CAST(inhparent::regclass AS text) FROM pg_inherits WHERE inhrelid = to_regclass(:index)",
        index=index,
    )
    return str(found[0][0]) if found else index


def test_more_records_are_no_more_questions(api: Api, token: str) -> None:
    for path in ("/v1/clinicians", "/v1/users", "/v1/licenses", "/v1/medications", "/v1/notifications"):
        asked = []
        for limit in (1, 200):
            with heard(api) as said:
                assert len(api.call("GET", f"{path}?limit={limit}", token).body["items"]) == limit
            asked.append(len(said))
        # Two of them say in the audit log whose records were read; a user's dates take one more.
        assert asked[0] == asked[1] <= 8, path


def test_reports_ask_a_big_tenant_no_more_than_an_empty_one(api: Api, token: str) -> None:
    empty = api.token(api.register.tenant("empty"))
    for name in ("deliveries", "lateness", "conversion", "forecast"):
        asked = []
        for whose in (empty, token):
            with heard(api) as said:
                assert api.call("GET", f"/v1/reports/{name}", whose).status == 200
            asked.append(len(said))
        assert asked[0] == asked[1], name


def test_more_tenants_and_runs_are_no_more_questions(api: Api, tenant: UUID, admin: str) -> None:
    operate(api, tenant)
    for number in range(3):
        api.register.tenant(f"other-{number}")
        api.register.execute(
            "INSERT INTO scheduler_heartbeat (function, started_at, finished_at, counts)"
            " VALUES ('reconcile', CAST(:now AS timestamptz) - make_interval(days => :number), :now, '{\"drift\": 1}')",
            now=api.clock.now(),
            number=number,
        )
    for path in ("/v1/tenants", "/v1/reports/drift"):
        asked = []
        for limit in (1, 3):
            with heard(api) as said:
                assert len(api.call("GET", f"{path}?limit={limit}", admin).body["items"]) == limit
            asked.append(len(said))
        assert asked[0] == asked[1], path


def test_an_edit_asks_as_much_for_one_as_for_many(api: Api, token: str) -> None:
    asked = []
    for count in (1, 100):
        items = [{"external_id": f"new-{count}-{number}", "full_name": "Grace"} for number in range(count)]
        with heard(api) as said:
            assert api.call("POST", "/v1/clinicians/bulk", token, {"items": items}).status == 200
        asked.append(len(said))
    assert asked[0] == asked[1] <= 16
