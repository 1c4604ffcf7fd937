"""/v1/tenants and what a tenant sets for itself; the operator's Admins see to all."""

from uuid import UUID

import pytest
from sqlalchemy import text

from nolapse.api.identity import Role
from tests.integration.api.conftest import Api, counted
from tests.integration.conftest import NOW, suppress

RIVERSIDE = {
    "slug": "riverside", "name": "Riverside", "timezone": "America/Chicago", "contact_email": "desk@riverside.test",
}  # fmt: skip


@pytest.fixture
def operator(api: Api) -> str:
    """A token of the operator's Admin."""
    tenant = api.register.tenant("platform")
    with api.register.database.owner.begin() as connection:
        connection.execute(
            text("UPDATE tenants SET is_operator = true WHERE tenant_id = :tenant"), {"tenant": tenant}
        )
    return api.token(tenant, Role.ADMIN)


def slugs(api: Api, token: str, query: str = "") -> list[str]:
    return [each["slug"] for each in api.call("GET", f"/v1/tenants?{query}", token).body["items"]]


@pytest.mark.usefixtures("tenant")
def test_the_operator_adds_and_changes_tenants_and_each_log_has_its_own(api: Api, operator: str) -> None:
    made = api.call("POST", "/v1/tenants", operator, RIVERSIDE, idempotency_key="k-1")
    assert (made.status, made.body["slug"], made.body["is_operator"]) == (201, "riverside", False)
    repeat = api.call("POST", "/v1/tenants", operator, RIVERSIDE, idempotency_key="k-1")
    assert (repeat.body, repeat.headers["idempotency-replayed"]) == (made.body, "true")
    taken = api.call("POST", "/v1/tenants", operator, RIVERSIDE)
    assert (taken.status, taken.body["fields"][0]["field"]) == (409, "slug")
    path = made.headers["location"]

    changed = api.call("PATCH", path, operator, {"name": "Riverside West"}, if_match=made.etag)
    lost = api.call("PATCH", path, operator, {"name": "Riverside East"}, if_match=made.etag)

    assert (changed.status, changed.body["name"], lost.status) == (200, "Riverside West", 412)
    assert slugs(api, operator) == ["clinic", "platform", "riverside"]
    assert slugs(api, operator, "sort=-slug&limit=1") == ["riverside"]
    assert api.register.rows(
        "SELECT action, reason FROM audit_log WHERE tenant_id = :tenant ORDER BY seq",
        tenant=made.body["tenant_id"],
    ) == [("tenant.created", "contact_email, name, slug, timezone"), ("tenant.changed", "name")]


def test_an_admin_sees_and_changes_their_own_tenant_alone(
    api: Api, operator: str, admin: str, tenant: UUID
) -> None:
    other = api.call("POST", "/v1/tenants", operator, RIVERSIDE).headers["location"]

    assert slugs(api, admin) == ["clinic"]
    assert api.call("PATCH", f"/v1/tenants/{tenant}", admin, {"name": "Ours"}, if_match="*").status == 200
    for answer in (
        api.call("GET", other, admin),
        api.call("PATCH", other, admin, {"name": "Mine"}, if_match="*"),
        api.call("PUT", f"{other}/webhook", admin, {"url": "https://x.test/"}, if_match="*"),
    ):
        assert answer.status == 404
    refused = api.call("POST", "/v1/tenants", admin, {**RIVERSIDE, "slug": "mine"})
    assert (refused.status, refused.body["code"]) == (403, "OPERATOR")


def test_nobody_makes_themselves_the_operator(api: Api, admin: str, tenant: UUID) -> None:
    answer = api.call("PATCH", f"/v1/tenants/{tenant}", admin, {"is_operator": True}, if_match="*")
    assert (answer.status, answer.body["fields"][0]["field"]) == (422, "is_operator")
    assert api.register.rows(
        "SELECT has_column_privilege('nolapse_api', 'tenants', 'is_operator', 'UPDATE, INSERT')"
    ) == [(False,)]


def test_a_webhook_is_named_read_and_removed(api: Api, admin: str, tenant: UUID) -> None:
    path = f"/v1/tenants/{tenant}/webhook"
    none = api.call("GET", path, admin)
    assert none.body["url"] is None

    named = api.call("PUT", path, admin, {"url": "https://x.test/hook"}, if_match=none.etag)
    assert (named.status, named.body["url"]) == (200, "https://x.test/hook")
    assert api.call("PUT", path, admin, {"url": "https://y.test/"}, if_match=none.etag).status == 412
    assert api.call("DELETE", path, admin, if_match=named.etag).body["url"] is None
    assert api.call("DELETE", path, admin, if_match="*").status == 404
    actions = api.register.rows("SELECT action FROM audit_log WHERE action LIKE 'webhook.%' ORDER BY seq")
    assert actions == [("webhook.set",), ("webhook.removed",)]


@pytest.mark.parametrize(
    "url",
    [
        "http://x.test",
        "https://",
        "https://ada:secret@x.test",
        "https://x.test/a b",
        "https://x.test:abc/",
        "https://[::1]:99999/",
        "https://x.test:0/",
        "https://xé.test/",
        "https://[x/",
        "https://x.test/\0",
    ],
)
def test_an_endpoint_that_is_none_is_refused(api: Api, admin: str, tenant: UUID, url: str) -> None:
    answer = api.call("PUT", f"/v1/tenants/{tenant}/webhook", admin, {"url": url}, if_match="*")
    assert (answer.status, answer.body["fields"][0]["field"]) == (422, "url")


def test_suppressions_are_listed_and_lifted(api: Api, staff: str, tenant: UUID) -> None:
    counts = []
    for number in range(3):
        api.register.clinician(tenant, f"ada-{number}", email=f"ada-{number}@clinic.test")
        api.register.execute("DELETE FROM suppressions")
        suppress(api.register)
        with counted(api) as made:
            listed = api.call("GET", "/v1/suppressions", staff).body["items"]
        assert len(listed) == number + 1
        counts.append(len(made))
    assert len(set(counts)) == 1
    (one,) = api.call("GET", "/v1/suppressions?address=ada-1@clinic.test", staff).body["items"]
    path = f"/v1/suppressions/{one['suppression_id']}/lift"

    assert api.call("POST", path, staff).status == 200
    assert api.call("POST", path, staff).status == 404
    assert api.call("GET", "/v1/suppressions?address=ada-1@clinic.test", staff).body["items"] == []


def test_who_texted_stop_is_let_go_by_start_alone(api: Api, staff: str, tenant: UUID) -> None:
    api.register.execute(
        "INSERT INTO suppressions (tenant_id, address_sha256, channel, reason, since, updated_at)"
        " VALUES (:tenant, address_digest('+12125550100'), 'SMS', 'STOP', :now, :now)",
        tenant=tenant,
        now=NOW,
    )
    (one,) = api.call("GET", "/v1/suppressions?reason=STOP", staff).body["items"]
    assert api.call("POST", f"/v1/suppressions/{one['suppression_id']}/lift", staff).status == 409
