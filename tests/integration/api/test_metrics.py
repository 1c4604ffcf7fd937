"""/metrics and the audit of reads: counted in PostgreSQL, right whichever instance saw what."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from nolapse.api.identity import Role
from nolapse.storage.meter import BOUNDS, QUERY, REQUEST, Meter
from nolapse.storage.statements import statement
from tests.integration.api.conftest import SLOW_SECONDS, Api
from tests.integration.conftest import DAILY

PEOPLE = "/v1/clinicians"


@pytest.fixture
def admin(api: Api, tenant: UUID) -> str:
    return api.token(tenant, Role.ADMIN)


def scraped(api: Api, admin: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = api.call("GET", "/metrics", admin)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.body)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: dict[Any, float], name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


class TestRequests:
    def test_are_counted_over_instances(self, api: Api, staff: str, admin: str) -> None:
        first = api.front.meter
        for instance in (first, Meter()):
            api.front.meter = instance
            for _ in range(3):
                api.call("GET", PEOPLE, staff)

        samples = scraped(api, admin)

        labels = {"method": "GET", "route": PEOPLE, "status_code": "200"}
        assert value(samples, "http_requests_total", **labels) == 6
        assert value(samples, f"{REQUEST}_count", **labels) == 6
        assert value(samples, f"{REQUEST}_bucket", **labels, le="+Inf") == 6
        assert value(samples, f"{REQUEST}_sum", **labels) > 0

    def test_what_strangers_make_up_is_no_label(self, api: Api, admin: str) -> None:
        api.call("QUACK", "/Quackenbush")

        samples = scraped(api, admin)

        assert value(samples, "http_requests_total", method="other", route="none", status_code="404") == 1
        assert "Quack" not in str(samples)

    def test_liveness_waits_for_no_database_and_is_counted_by_the_next(self, api: Api, admin: str) -> None:
        api.call("GET", "/health/live")
        assert api.register.rows("SELECT 1 FROM metric_total") == []

        api.call("GET", "/health/db")

        samples = scraped(api, admin)
        assert (
            value(samples, "http_requests_total", method="GET", route="/health/live", status_code="200") == 1
        )

    def test_the_same_as_json(self, api: Api, staff: str, admin: str) -> None:
        api.call("GET", PEOPLE, staff)

        family = api.call("GET", "/metrics/json", admin).body["metrics"]["http_requests"]

        assert family["type"] == "counter"
        assert {
            "name": "http_requests_total",
            "labels": {"method": "GET", "route": PEOPLE, "status_code": "200"},
            "value": 1.0,
        } in family["samples"]


class TestStatements:
    def test_are_timed_by_name(self, api: Api, staff: str, admin: str) -> None:
        api.call("GET", PEOPLE, staff)

        samples = scraped(api, admin)

        assert value(samples, f"{QUERY}_count", statement="list_clinicians") == 1
        assert value(samples, f"{QUERY}_count", statement="take_api_pace") >= 1

    def test_the_slow_are_logged_by_name(self, api: Api) -> None:
        slow = text("SELECT pg_sleep(:seconds)").execution_options(statement_name="nap")
        with api.register.database.api.begin() as connection:
            connection.execute(slow, {"seconds": SLOW_SECONDS + 0.01})

        assert [fields["statement"] for event, fields in api.log if event == "db.slow"] == ["nap"]


class TestMessages:
    def test_are_counted_once_from_the_audit_log(self, api: Api, tenant: UUID, admin: str) -> None:
        clinician = api.register.clinician(tenant)
        api.register.license(tenant, clinician, date(2026, 11, 25))
        api.register.plan()
        for steps in (["LATE_PENDING"], ["QUEUED", "SENDING", "SENT", "BOUNCED"]):
            for status in steps:
                self.move(api, status)
            scraped(api, admin)
        samples = scraped(api, admin)

        nobody = {"channel": "none", "provider": "none"}
        assert value(samples, "missed_windows_total") == 1
        assert value(samples, "messages_sent_total", **nobody) == 1
        assert value(samples, "messages_failed_total", **nobody, status="BOUNCED") == 1

    @pytest.mark.parametrize(
        ("closes", "away"), [("dose", timedelta(hours=3)), ("reminder", timedelta(days=30))]
    )
    def test_what_is_dropped_when_its_window_closed_is_missed(
        self, api: Api, tenant: UUID, admin: str, closes: str, away: timedelta
    ) -> None:
        clinician = api.register.clinician(tenant)
        if closes == "dose":
            api.register.prescribe(clinician, DAILY)
        else:
            api.register.license(tenant, clinician, date(2027, 1, 31))
            api.register.plan()
        due = api.register.rows("SELECT min(scheduled_at) FROM notification_schedule")[0][0]
        now = due + away
        api.register.execute(str(statement("mark_late")), now=now, late_since=now - timedelta(days=14))
        ((dropped,),) = api.register.rows(
            "SELECT count(*) FROM notification_schedule WHERE status = 'SUPPRESSED'"
        )

        assert dropped >= 1
        for _ in range(2):
            assert value(scraped(api, admin), "missed_windows_total") == dropped

    def move(self, api: Api, status: str) -> None:
        api.register.execute(
            "UPDATE notification_schedule SET status = :status, late = late OR :status = 'LATE_PENDING',"
            " claimed_at = CASE WHEN :status = 'LATE_PENDING' THEN NULL ELSE CAST(:now AS timestamptz) END"
            " WHERE event = 'SECONDARY'",
            status=status,
            now=api.clock.now(),
        )

    def test_queues_circuits_and_connections_as_they_stand(self, api: Api, admin: str) -> None:
        api.register.execute(
            "INSERT INTO provider_circuit (provider, state, retry_at, changed_at)"
            " VALUES ('sendgrid', 'OPEN', now(), now()), ('tenant-webhook:clinic', 'OPEN', now(), now())"
        )
        samples = scraped(api, admin)

        assert value(samples, "queue_depth_total", queue="email") == 6
        assert value(samples, "queue_messages_in_flight_total", queue="email") == 2
        assert value(samples, "circuit_breaker_state", service="sendgrid") == 2
        assert value(samples, "tenant_circuits_open") == 1
        assert "tenant-webhook" not in str(samples)
        assert value(samples, "db_connections_open", role="nolapse_api") >= 1
        assert value(samples, "db_connections_max") > 0


class TestReads:
    def test_name_who_read_whose_record_and_where(self, api: Api, tenant: UUID, staff: str) -> None:
        ada, grace = api.register.clinician(tenant, "ada"), api.register.clinician(tenant, "grace")
        licence = api.register.license(tenant, ada, date(2027, 1, 31))

        api.call("GET", PEOPLE, staff)
        api.call("GET", f"/v1/licenses/{licence}/timeline", staff)

        rows = api.register.rows(
            "SELECT actor, subject, reason FROM audit_log WHERE action = 'person.read' ORDER BY seq"
        )
        (actor,) = {actor for actor, _, _ in rows}
        assert actor.startswith("clinic:")
        both = sorted(f"clinician:{each}" for each in (ada, grace))
        assert [(subject, route) for _, subject, route in rows] == [
            *((subject, PEOPLE) for subject in both),
            (f"clinician:{ada}", "/v1/licenses/<license_id>/timeline"),
        ]

    def test_of_nothing_leave_nothing(self, api: Api, staff: str) -> None:
        assert api.call("GET", PEOPLE, staff).body["items"] == []
        assert api.register.rows("SELECT 1 FROM audit_log WHERE action = 'person.read'") == []

    def test_what_can_not_be_audited_is_not_shown(self, api: Api, tenant: UUID, staff: str) -> None:
        api.register.clinician(tenant)
        with api.register.database.owner.begin() as connection:
            connection.exec_driver_sql("REVOKE EXECUTE ON FUNCTION append_audit FROM nolapse_api")

        answer = api.call("GET", PEOPLE, staff)

        assert (answer.status, answer.body["code"]) == (500, "INTERNAL")


def test_a_meter_puts_a_value_at_its_bound_below_it(api: Api) -> None:
    meter, engine = Meter(), api.register.database.engine
    for seconds in (BOUNDS[QUERY][0], BOUNDS[QUERY][0] * 1.1, 99):
        meter.observe(QUERY, seconds, statement="this")
    meter.flush(engine)
    meter.flush(engine)

    ((buckets, total),) = api.register.rows("SELECT buckets, total FROM metric_total")
    assert buckets == [1, 1, *[0] * (len(BOUNDS[QUERY]) - 2), 1]
    assert total == pytest.approx(99.0021)
