"""Previews, sending again, and what staff decide about what is held."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.integration.api.conftest import Api, counted, through
from tests.integration.conftest import NOW


@pytest.fixture
def late(api: Api, tenant: UUID) -> str:
    """The key of a reminder whose window has just passed."""
    expires = NOW.date() + timedelta(days=29)
    licence = api.register.license(tenant, api.register.clinician(tenant), expires)
    api.register.plan()
    return key_of(api, licence, "SECONDARY")


def key_of(api: Api, licence: UUID, event: str) -> str:
    ((key,),) = api.register.rows(
        "SELECT encode(idempotency_key, 'hex') FROM notification_schedule"
        " WHERE license_id = :licence AND event = :event",
        licence=licence,
        event=event,
    )
    return str(key)


def status(api: Api, key: str) -> str:
    ((found,),) = api.register.rows(
        "SELECT status FROM notification_schedule WHERE idempotency_key = decode(:key, 'hex')", key=key
    )
    return str(found)


def test_a_preview_is_the_message_and_its_links_open_nothing(api: Api, staff: str, late: str) -> None:
    mail = api.call("GET", f"/v1/notifications/{late}/preview", staff).body

    assert (mail["channel"], mail["late"]) == ("EMAIL", True)
    assert "clinic" in mail["text"]
    assert mail["html"].lower().startswith("<!doctype html")
    token = mail["text"].split("https://nolapse.test/r/")[1].split()[0]
    assert api.call("GET", f"/r/{token}").status == 404
    text = api.call("GET", f"/v1/notifications/{late}/preview?channel=SMS", staff).body
    assert (text["subject"], text["html"]) == (None, None)
    assert text["text"].startswith("clinic: ")
    event = api.call("GET", f"/v1/notifications/{late}/preview?channel=WEBHOOK", staff).body
    assert late in event["text"]
    assert api.call("GET", f"/v1/notifications/{'0' * 64}/preview", staff).status == 404
    assert api.call("GET", f"/v1/notifications/{late}/preview?channel=PIGEON", staff).status == 422


def test_what_was_given_up_is_sent_again_once_and_a_dry_run_changes_nothing(
    api: Api, staff: str, late: str
) -> None:
    through(api, late, "QUEUED", "DEFERRED", reason="retries spent: sendgrid:401")

    asked = api.call("POST", "/v1/notifications/resend", staff, {}).body
    assert (asked["dry_run"], asked["found"], asked["waiting"], asked["left"]) == (True, 1, {}, 0)
    assert [each["key"] for each in asked["items"]] == [late]
    assert status(api, late) == "DEFERRED"

    done = api.call("POST", "/v1/notifications/resend", staff, {"dry_run": False}).body
    assert (done["found"], done["waiting"]) == (1, {"LATE_PENDING": 1})
    assert status(api, late) == "LATE_PENDING"
    again = api.call("POST", "/v1/notifications/resend", staff, {"dry_run": False}).body
    assert (again["found"], again["waiting"]) == (0, {})
    ((actor, reason),) = api.register.rows(
        "SELECT actor, reason FROM audit_log WHERE from_status = 'DEFERRED' AND to_status = 'LATE_PENDING'"
    )
    assert (actor.partition(":")[0], reason) == ("clinic", "sent again by hand")


def test_these_alone_are_sent_again(api: Api, staff: str, late: str) -> None:
    through(api, late, "QUEUED", "DEFERRED", reason="rejected: sendgrid:400")

    def found(**asked: object) -> int:
        return int(api.call("POST", "/v1/notifications/resend", staff, asked).body["found"])

    assert found() == 0  # another try would be refused again
    assert found(reason="rejected") == 1
    assert found(reason="rejected", keys=["0" * 64]) == 0
    assert found(reason="rejected", keys=[late]) == 1
    assert found(reason="rejected", event="PRIMARY") == 0


@pytest.mark.parametrize(
    ("decision", "becomes"), [("SENT", "SENT"), ("SEND_AGAIN", "LATE_PENDING"), ("DROP", "CANCELLED")]
)
def test_a_decision_settles_a_hold(api: Api, staff: str, late: str, decision: str, becomes: str) -> None:
    through(api, late, "QUEUED", "SENDING", "UNKNOWN", "HELD")
    (hold,) = api.call("GET", "/v1/holds", staff).body["items"]
    assert (hold["key"], hold["event"], hold["attempts"]) == (late, "SECONDARY", [])

    settled = api.call("POST", f"/v1/holds/{late}/decision", staff, {"decision": decision})

    assert (settled.status, settled.body) == (200, {"key": late, "status": becomes})
    assert status(api, late) == becomes
    assert api.call("GET", "/v1/holds", staff).body["items"] == []
    twice = api.call("POST", f"/v1/holds/{late}/decision", staff, {"decision": decision})
    assert (twice.status, twice.body["fields"][0]["field"]) == (409, "decision")


def test_what_a_provider_took_can_only_be_sent(api: Api, staff: str, late: str) -> None:
    through(api, late, "QUEUED", "SENDING", "UNKNOWN", "HELD")
    api.register.execute(
        "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
        " lease_until, channel, provider, recipient, template, outcome, finished_at, provider_message_id)"
        " SELECT idempotency_key, tenant_id, 1, scheduled_at, :now,"
        " CAST(:now AS timestamptz) + interval '1 minute', 'EMAIL', 'sendgrid', 'ada@clinic.test',"
        " template, 'ACCEPTED', :now, 'm-1' FROM notification_schedule WHERE status = 'HELD'",
        now=NOW,
    )

    assert api.call("GET", "/v1/holds", staff).body["items"][0]["attempts"] == ["sendgrid ACCEPTED"]
    assert api.call("POST", f"/v1/holds/{late}/decision", staff, {"decision": "SEND_AGAIN"}).status == 409
    assert status(api, late) == "HELD"


def test_a_list_of_holds_makes_as_many_statements_for_many_as_for_one(
    api: Api, staff: str, tenant: UUID
) -> None:
    ada = api.register.clinician(tenant)
    counts = []
    for number in range(3):
        expires = NOW.date() + timedelta(days=29)
        licence = api.register.license(tenant, ada, expires, number=f"RN-{number}")
        api.register.plan()
        through(api, key_of(api, licence, "SECONDARY"), "QUEUED", "SENDING", "UNKNOWN", "HELD")
        with counted(api) as made:
            page = api.call("GET", "/v1/holds", staff)
        assert len(page.body["items"]) == number + 1
        counts.append(len(made))
    assert len(set(counts)) == 1
    page = api.call("GET", "/v1/holds?limit=2", staff).body
    rest = api.call("GET", f"/v1/holds?limit=2&cursor={page['next']}", staff).body
    assert len({each["key"] for each in page["items"] + rest["items"]}) == 3
