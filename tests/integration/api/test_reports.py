"""The audit log and the reports, as their readers see them."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.integration.api.conftest import Api, counted, through
from tests.integration.conftest import NOW

OPENED = NOW - timedelta(hours=12)


@pytest.fixture
def reminded(api: Api, tenant: UUID) -> list[str]:
    """Two people whose SECONDARY reminder left yesterday, one in its window and one an hour after it."""
    for number, after in enumerate((timedelta(hours=1), timedelta(hours=5))):
        person = api.register.clinician(tenant, f"ada-{number}")
        licence = api.register.license(tenant, person, NOW.date() + timedelta(days=29), number=f"RN-{number}")
        api.register.plan(now=NOW - timedelta(days=2))
        ((key,),) = api.register.rows(
            "SELECT encode(idempotency_key, 'hex') FROM notification_schedule"
            " WHERE license_id = :licence AND event = 'SECONDARY'",
            licence=licence,
        )
        through(api, key, "QUEUED", "SENDING", "SENT", reason="accepted")
        api.register.execute(
            "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
            " lease_until, channel, provider, recipient, template, outcome, finished_at, provider_message_id)"
            " SELECT idempotency_key, tenant_id, 1, scheduled_at, CAST(:at AS timestamptz),"
            " CAST(:at AS timestamptz) + interval '1 minute', 'EMAIL', 'sendgrid', 'ada@clinic.test',"
            " template, 'ACCEPTED', :at, 'm-' || :number FROM notification_schedule"
            " WHERE idempotency_key = decode(:key, 'hex')",
            at=OPENED + after,
            number=str(number),
            key=key,
        )
    return [key]


def report(api: Api, token: str, name: str, query: str = "") -> dict[str, Any]:
    answer = api.call("GET", f"/v1/reports/{name}?{query}", token)
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


@pytest.mark.usefixtures("reminded")
def test_deliveries_by_event_channel_and_state(api: Api, staff: str) -> None:
    sent = {
        "occasion": "LICENSE_EXPIRY",
        "event": "SECONDARY",
        "channel": "EMAIL",
        "status": "SENT",
        "late": False,
    }
    assert report(api, staff, "deliveries")["deliveries"] == [{**sent, "messages": 2}]
    before = "since=2026-09-01T00:00:00Z&until=2026-10-01T00:00:00Z"
    assert report(api, staff, "deliveries", before)["deliveries"] == []


@pytest.mark.usefixtures("reminded")
def test_lateness_against_the_window_that_was_promised(api: Api, staff: str) -> None:
    (lateness,) = report(api, staff, "lateness")["lateness"]
    assert (lateness["sent"], lateness["in_window"], lateness["late"]) == (2, 1, 1)
    assert (lateness["median_late_seconds"], lateness["most_late_seconds"]) == (3600.0, 3600.0)


def test_conversion_counts_what_was_answered(api: Api, staff: str, reminded: list[str]) -> None:
    with api.register.database.owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO acknowledgements (tenant_id, clinician_id, license_id, idempotency_key, scheduled_at, at,"
                " occurrence, answer, via) SELECT tenant_id, clinician_id, license_id, idempotency_key, scheduled_at,"
                " :at, occurrence, 'RENEWED', 'LINK' FROM notification_schedule"
                " WHERE idempotency_key = decode(:key, 'hex')"
            ),
            {"at": OPENED + timedelta(hours=6), "key": reminded[0]},
        )

    (converted,) = report(api, staff, "conversion")["conversion"]

    assert (converted["sent"], converted["answered"], converted["renewed"]) == (2, 1, 1)
    assert converted["median_seconds"] == 3600.0


def test_a_forecast_of_what_waits_and_what_will_not_fit(api: Api, staff: str, tenant: UUID) -> None:
    person = api.register.clinician(tenant)
    api.register.license(tenant, person, date(2026, 11, 30))
    api.register.plan()

    (mail,) = report(api, staff, "forecast")["channels"]

    assert (mail["channel"], mail["messages"], mail["late"]) == ("EMAIL", 1, 0)
    assert mail["days"] == [{"on": "2026-10-31", "messages": 1, "late": 0, "capacity": 24_000}]


@pytest.mark.parametrize(
    "period",
    [
        "since=2026-10-02T00:00:00Z&until=2026-10-01T00:00:00Z",
        "since=2020-01-01T00:00:00Z",
        "since=yesterday",
        "since=0.5",
        "since=1790000000",
        "since=2026-10-02T00:00:00",
    ],
)
def test_a_period_that_is_none_is_refused(api: Api, staff: str, period: str) -> None:
    answer = api.call("GET", f"/v1/reports/deliveries?{period}", staff)
    assert (answer.status, answer.body["fields"][0]["field"]) == (422, "since")


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/audit?at_from=", "at_from"),
        ("/v1/notifications?scheduled_from=", "scheduled_from"),
        ("/v1/reports/deliveries?until=", "until"),
    ],
)
def test_the_ends_of_the_calendar_are_refused(
    api: Api, admin: str, path: str, field: str, instant: str
) -> None:
    answer = api.call("GET", path + instant, admin)
    assert (answer.status, answer.body["fields"][0]["field"]) == (422, field)


def test_drift_is_for_the_operator(api: Api, admin: str, tenant: UUID) -> None:
    for day, drift in ((2, 0), (1, 3)):
        api.register.execute(
            "INSERT INTO scheduler_heartbeat (function, started_at, finished_at, counts)"
            " VALUES ('reconcile', :at, :at, CAST(:counts AS jsonb))",
            at=NOW - timedelta(days=day),
            counts=f'{{"drift": {drift}, "missing_rows": {drift}, "unhealed": 0, "horizon": "x"}}',
        )
    refused = api.call("GET", "/v1/reports/drift", admin)
    assert (refused.status, refused.body["code"]) == (403, "OPERATOR")
    with api.register.database.owner.begin() as connection:
        connection.execute(
            text("UPDATE tenants SET is_operator = true WHERE tenant_id = :tenant"), {"tenant": tenant}
        )

    runs = report(api, admin, "drift")["items"]

    assert [(run["drift"], run["findings"]) for run in runs] == [
        (3, {"missing_rows": 3}), (0, {"missing_rows": 0}),
    ]  # fmt: skip


@pytest.mark.usefixtures("reminded")
def test_the_audit_log_by_what_is_asked_page_by_page(api: Api, admin: str) -> None:
    whole = api.call("GET", "/v1/audit?sort=at&limit=200", admin).body["items"]
    assert len(whole) >= 6
    subject = whole[-1]["subject"]
    seen: list[dict[str, Any]] = []
    query = "sort=at&limit=3"
    counts = set()
    while query:
        with counted(api) as made:
            page = api.call("GET", f"/v1/audit?{query}", admin).body
        counts.add(len(made))
        seen += page["items"]
        query = page["next"] and f"sort=at&limit=3&cursor={page['next']}"
    assert seen == whole
    assert len(counts) == 1
    by_subject = api.call("GET", f"/v1/audit?sort=at&subject={subject}", admin).body["items"]
    assert by_subject == [each for each in whole if each["subject"] == subject]
    assert api.call("GET", "/v1/audit?action=nothing", admin).body["items"] == []
    later = api.call("GET", "/v1/audit?at_from=2027-01-01T00:00:00Z", admin).body["items"]
    assert later == []
