"""/v1/tenants/{tenant_id}/senders and a tenant's own pace: the operator's to set, the tenant's to read."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from nolapse.api.identity import Role
from tests.integration.api.conftest import Answer, Api, counted, operate

MAILBOX = {"provider": "graph", "address": "reminders@clinic.test"}


@pytest.fixture
def operator(api: Api) -> str:
    platform = api.register.tenant("platform")
    operate(api, platform)
    return api.token(platform, Role.ADMIN)


@pytest.fixture
def path(tenant: UUID) -> str:
    return f"/v1/tenants/{tenant}/senders"


def created(api: Api, operator: str, path: str, **fields: Any) -> Answer:
    answer = api.call("POST", path, operator, {**MAILBOX, **fields})
    assert answer.status == 201, answer.body
    return answer


def listed(api: Api, token: str, path: str) -> list[str]:
    return [each["address"] for each in api.call("GET", path, token).body["items"]]


def test_the_operator_names_retires_and_deletes_and_the_tenant_s_log_has_it(
    api: Api, operator: str, tenant: UUID, path: str
) -> None:
    made = api.call("POST", path, operator, {**MAILBOX, "messages_per_minute": 20}, idempotency_key="k")
    assert (made.status, made.body["status"], made.body["tenant_id"]) == (201, "ACTIVE", str(tenant))
    repeat = api.call("POST", path, operator, {**MAILBOX, "messages_per_minute": 20}, idempotency_key="k")
    assert (repeat.body, repeat.headers["idempotency-replayed"]) == (made.body, "true")
    where = made.headers["location"]
    assert api.call("GET", where, operator).etag == made.etag

    slower = api.call("PATCH", where, operator, {"messages_per_minute": None}, if_match=made.etag)
    lost = api.call("PATCH", where, operator, {"messages_per_minute": 5}, if_match=made.etag)
    retired = api.call("PATCH", where, operator, {"status": "RETIRED"}, if_match=slower.etag)
    assert (slower.body["messages_per_minute"], lost.status, retired.body["status"]) == (None, 412, "RETIRED")
    assert api.call("DELETE", where, operator).status == 428
    assert api.call("DELETE", where, operator, if_match=retired.etag).status == 200
    assert api.call("GET", where, operator).status == 404
    assert api.call("DELETE", where, operator, if_match="*").status == 404

    subject = where.rpartition("/")[2]
    assert api.register.rows(
        "SELECT action, reason FROM audit_log WHERE tenant_id = :tenant AND subject = :subject ORDER BY seq",
        tenant=tenant,
        subject=f"sender:{subject}",
    ) == [
        ("sender.created", "address, messages_per_minute, provider"),
        ("sender.changed", "messages_per_minute"),
        ("sender.changed", "status"),
        ("sender.deleted", None),
    ]


def test_a_tenant_s_own_admin_reads_them_and_changes_none(
    api: Api, operator: str, admin: str, path: str
) -> None:
    made = created(api, operator, path)
    where = made.headers["location"]

    assert listed(api, admin, path) == ["reminders@clinic.test"]
    assert api.call("GET", where, admin).body == made.body
    for answer in (
        api.call("POST", path, admin, {**MAILBOX, "address": "ceo@clinic.test"}),
        api.call("PATCH", where, admin, {"messages_per_minute": 30}, if_match="*"),
        api.call("DELETE", where, admin, if_match="*"),
    ):
        assert (answer.status, answer.body["code"]) == (403, "OPERATOR")
    assert api.call("GET", where, admin).etag == made.etag


def test_nobody_sees_another_tenant_s(api: Api, operator: str, path: str) -> None:
    where = created(api, operator, path).headers["location"]
    mine = api.register.tenant("mine")
    token = api.token(mine, Role.ADMIN)

    for method, at, body in (
        ("GET", path, None), ("POST", path, MAILBOX), ("GET", where, None),
        ("PATCH", where, {"status": "RETIRED"}), ("DELETE", where, None),
    ):  # fmt: skip
        assert api.call(method, at, token, body, if_match="*").status == 404
    # Nor by a path that begins with one's own.
    under_mine = f"/v1/tenants/{mine}/senders/{where.rpartition('/')[2]}"
    for token_of in (token, operator):
        assert api.call("GET", under_mine, token_of).status == 404


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({**MAILBOX, "messages_per_minute": 31}, "messages_per_minute", "30 at most"),
        ({**MAILBOX, "messages_per_minute": 0}, "messages_per_minute", "greater than or equal to 1"),
        ({**MAILBOX, "messages_per_minute": "20"}, "messages_per_minute", "integer"),
        ({**MAILBOX, "address": "+12125550100"}, "address", "is not one e-mail address"),
        ({**MAILBOX, "address": "a@b.test, c@d.test"}, "address", "is not one e-mail address"),
        ({"provider": "twilio-sms", "address": "desk@clinic.test"}, "address", "country code"),
        ({"provider": "twilio-sms", "address": "12345"}, "address", "country code"),
        ({**MAILBOX, "provider": "pigeon"}, "provider", "'graph'"),
        ({**MAILBOX, "provider": "mailgun"}, "provider", "graph, sendgrid, twilio-sms"),
        ({**MAILBOX, "status": "LOST"}, "status", "'RETIRED'"),
        ({**MAILBOX, "name": "Desk"}, "name", "not permitted"),
    ],
)
def test_what_is_no_sender_is_refused_by_its_field(
    api: Api, tenant: UUID, asked: dict[str, Any], field: str, said: str
) -> None:
    operate(api, tenant)
    answer = api.call("POST", f"/v1/tenants/{tenant}/senders", api.token(tenant, Role.ADMIN), asked)
    assert (answer.status, [each["field"] for each in answer.body["fields"]]) == (422, [field])
    assert said in answer.body["message"]
    assert api.register.rows("SELECT * FROM senders") == []


def test_a_mailbox_never_gets_a_pace_that_its_vendor_refuses(api: Api, operator: str, path: str) -> None:
    made = created(api, operator, path, messages_per_minute=30)
    answer = api.call("PATCH", made.headers["location"], operator, {"messages_per_minute": 31}, if_match="*")
    assert (answer.status, answer.body["fields"][0]["field"]) == (422, "messages_per_minute")
    assert created(api, operator, path, provider="sendgrid", messages_per_minute=31).status == 201


def test_an_address_is_kept_as_vendors_know_it_and_once(api: Api, operator: str, path: str) -> None:
    mail = created(api, operator, path, address="Reminders@Clinic.Test")
    number = created(api, operator, path, provider="twilio-sms", address="+1 (212) 555-0100")
    assert [each.body["address"] for each in (mail, number)] == ["reminders@clinic.test", "+12125550100"]

    taken = api.call("POST", path, operator, {**MAILBOX, "address": "REMINDERS@clinic.test"})
    assert (taken.status, taken.body["fields"][0]["field"]) == (409, "address")
    api.call("PATCH", mail.headers["location"], operator, {"status": "RETIRED"}, if_match="*")
    again = created(api, operator, path)
    back = api.call("PATCH", mail.headers["location"], operator, {"status": "ACTIVE"}, if_match="*")
    assert (again.status, back.status) == (201, 409)
    # Two clinics of one group may share a mailbox.
    created(api, operator, f"/v1/tenants/{api.register.tenant('another')}/senders")


def test_a_list_in_pages_of_a_provider_or_a_status(
    api: Api, operator: str, admin: str, tenant: UUID, path: str
) -> None:
    counts = []
    for number in range(5):
        api.register.sender(tenant, f"desk-{number}@clinic.test", "graph" if number % 2 else "sendgrid")
        with counted(api) as made:
            assert len(listed(api, admin, path)) == number + 1
        counts.append(len(made))
    assert len(set(counts)) == 1
    (last,) = api.call("GET", f"{path}?sort=-created_at&limit=1", admin).body["items"]
    api.call("PATCH", f"{path}/{last['sender_id']}", operator, {"status": "RETIRED"}, if_match="*")

    assert listed(api, admin, f"{path}?provider=graph") == ["desk-1@clinic.test", "desk-3@clinic.test"]
    assert listed(api, admin, f"{path}?status=RETIRED") == ["desk-4@clinic.test"]
    first = api.call("GET", f"{path}?limit=3", admin).body
    rest = api.call("GET", f"{path}?limit=3&cursor={first['next']}", admin).body
    assert [each["address"] for each in (*first["items"], *rest["items"])] == [
        f"desk-{number}@clinic.test" for number in range(5)
    ]
    others = f"/v1/tenants/{api.register.tenant('another')}/senders?limit=3&cursor={first['next']}"
    assert api.call("GET", others, operator).body["fields"][0]["field"] == "cursor"


def test_a_tenant_s_pace_is_the_operator_s_to_set(api: Api, operator: str, admin: str, tenant: UUID) -> None:
    mine = f"/v1/tenants/{tenant}"
    assert api.call("GET", mine, admin).body["messages_per_minute"] is None
    refused = api.call("PATCH", mine, admin, {"messages_per_minute": 9_000}, if_match="*")
    assert (refused.status, refused.body["code"]) == (403, "OPERATOR")
    for wrong in (0, -1, 1_000_001, "60", 1.5):
        answer = api.call("PATCH", mine, operator, {"messages_per_minute": wrong}, if_match="*")
        assert (answer.status, answer.body["fields"][0]["field"]) == (422, "messages_per_minute")

    set_to = api.call("PATCH", mine, operator, {"messages_per_minute": 40}, if_match="*")
    renamed = api.call("PATCH", mine, admin, {"name": "Ours"}, if_match=set_to.etag)
    assert (renamed.status, renamed.body["messages_per_minute"]) == (200, 40)
    back = api.call("PATCH", mine, operator, {"messages_per_minute": None}, if_match=renamed.etag)
    assert back.body["messages_per_minute"] is None
    made = api.call(
        "POST", "/v1/tenants", operator,
        {"slug": "west", "name": "West", "timezone": "UTC", "contact_email": "d@w.test", "messages_per_minute": 5},
    )  # fmt: skip
    assert made.body["messages_per_minute"] == 5
    reasons = "SELECT reason FROM audit_log WHERE action = 'tenant.changed' ORDER BY seq"
    assert api.register.rows(reasons) == [("messages_per_minute",), ("name",), ("messages_per_minute",)]


@pytest.mark.parametrize(("paces", "capacity"), [((None, None), 30), ((10, None), 10), ((50, 12), 12)])
def test_a_tenant_s_forecast_is_by_its_own_pace_and_senders(
    api: Api, tenant: UUID, paces: tuple[int | None, int | None], capacity: int
) -> None:
    limit, per_sender = paces
    person = api.register.clinician(tenant)
    api.register.license(tenant, person, date(2026, 11, 30))
    api.register.plan()
    api.register.sender(tenant, "desk@clinic.test", "graph", per_sender)
    with api.register.database.owner.begin() as connection:
        connection.execute(text("UPDATE tenants SET messages_per_minute = :limit"), {"limit": limit})

    (mail,) = api.call("GET", "/v1/reports/forecast", api.token(tenant)).body["channels"]

    assert [day["capacity"] for day in mail["days"]] == [240 * capacity]
