"""Every events/*.json through the function that it is made for."""

from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest

from local.lambda_runtime import FunctionError
from tests.handlers.conftest import EVENTS, load
from tests.integration.conftest import NOW
from tests.integration.delivery.conftest import Delivery

FUNCTIONS = {
    "api_acknowledge": "ApiFunction",
    "api_acknowledge_page": "ApiFunction",
    "api_calendar_feed": "ApiFunction",
    "api_calendar_file": "ApiFunction",
    "api_health": "ApiFunction",
    "api_live": "ApiFunction",
    "api_elsewhere": "ApiFunction",
    "api_preflight": "ApiFunction",
    "api_v1": "ApiFunction",
    "api_ready": "ApiFunction",
    "api_unsubscribe": "ApiFunction",
    "api_unsubscribe_page": "ApiFunction",
    "catch_up_deployed": "CatchUpFunction",
    "catch_up_hourly": "CatchUpFunction",
    "dispatch_queued": "DispatchEmailFunction",
    "forecast_nightly": "ForecastFunction",
    "import_records_uploaded": "ImportRecordsFunction",
    "maintenance_daily": "MaintenanceFunction",
    "operations_dlq_list": "OperationsFunction",
    "provider_webhooks_receipts": "ProviderWebhooksFunction",
    "reconcile_nightly": "ReconcileFunction",
    "scan_every_minute": "ScanFunction",
    "watchdog_hourly": "WatchdogFunction",
}
REGISTER = """\
Name,Email,License Number,License Type,State,Expiration Date
Ada Lovelace,ada@clinic.test,RN-1234567,RN,NY,11/25/2026
Grace Hopper,grace@clinic.test,RN-7654321,RN,NY,02/30/2027
"""
KEY = "incoming/riverside-clinic/licences november 2026.csv"


def test_every_event_has_its_function_and_every_function_an_event(delivery: Delivery) -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == FUNCTIONS.keys()
    assert set(FUNCTIONS.values()) == delivery.running.stack.functions.keys()


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (
            "scan_every_minute",
            {
                "claimed": 0,
                "refused": 0,
                "room": 100,
                "circuits_open": 0,
                "tenant_circuits_open": 0,
                "needless": 0,
                "held_back": 0,
            },
        ),
        ("dispatch_queued", {"batchItemFailures": []}),
        ("provider_webhooks_receipts", {"statusCode": 200}),
    ],
)
def test_an_empty_base(delivery: Delivery, event: str, answer: Any) -> None:
    assert delivery.running.functions.invoke(FUNCTIONS[event], load(event)) == answer


@pytest.mark.parametrize("event", ["catch_up_hourly", "catch_up_deployed", "maintenance_daily"])
def test_a_run_over_an_empty_base_finds_nothing(delivery: Delivery, event: str) -> None:
    counts = delivery.running.functions.invoke(FUNCTIONS[event], load(event))

    assert set(counts.values()) == {0}


def test_reconcile_of_an_empty_base_promises_a_horizon(delivery: Delivery) -> None:
    counts = delivery.running.functions.invoke("ReconcileFunction", load("reconcile_nightly"))

    assert (counts["drift"], counts["unhealed"], counts["horizon"]) == (0, 0, "2027-11-25T16:30:00+00:00")


def test_live(delivery: Delivery) -> None:
    answer = delivery.running.functions.invoke("ApiFunction", load("api_live"))

    assert (answer["statusCode"], answer["body"]) == (200, '{"status":"ok"}')


@pytest.mark.parametrize(
    ("event", "status"), [("api_v1", 401), ("api_preflight", 405), ("api_elsewhere", 403)]
)
def test_without_a_token(delivery: Delivery, event: str, status: int) -> None:
    answer = delivery.running.functions.invoke("ApiFunction", load(event))

    assert (answer["statusCode"], bool(answer["headers"]["X-Correlation-Id"])) == (status, True)


@pytest.mark.parametrize(
    "event",
    [
        "api_acknowledge",
        "api_acknowledge_page",
        "api_calendar_file",
        "api_unsubscribe",
        "api_unsubscribe_page",
    ],
)
def test_a_link_whose_notification_is_not_there(delivery: Delivery, event: str) -> None:
    answer = delivery.running.functions.invoke("ApiFunction", load(event))

    assert (answer["statusCode"], "This link is no longer good" in answer["body"]) == (410, True)


def test_a_calendar_by_a_link_that_is_not_ours(delivery: Delivery) -> None:
    answer = delivery.running.functions.invoke("ApiFunction", load("api_calendar_feed"))

    assert (answer["statusCode"], "calendar" in answer["headers"]["Content-Type"]) == (404, False)


class TestImport:
    @pytest.fixture
    def bucket(self, delivery: Delivery) -> str:  # noqa: ARG002  it sets where boto3's clients go
        name: str = load("import_records_uploaded")["Records"][0]["s3"]["bucket"]["name"]
        boto3.client("s3").create_bucket(Bucket=name)
        return name

    def upload(self, delivery: Delivery, bucket: str, key: str, body: str) -> Any:
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body.encode())
        event = load("import_records_uploaded")
        event["Records"][0]["s3"]["object"]["key"] = key.replace(" ", "+")
        return delivery.running.functions.invoke("ImportRecordsFunction", event)

    def test_an_uploaded_register_is_imported_and_planned(self, delivery: Delivery, bucket: str) -> None:
        delivery.register.tenant("riverside-clinic")

        (totals,) = self.upload(delivery, bucket, KEY, REGISTER)

        assert totals.pop("import_id")
        assert totals == {"read": 2, "imported": 1, "folded": 0, "rejected": 1}
        assert delivery.register.statuses() == {
            "PRIMARY": "SUPPRESSED",
            "SECONDARY": "PENDING",
            "PAST_DUE": "PENDING",
        }

    def test_the_event_as_it_stands_names_that_object(self, delivery: Delivery, bucket: str) -> None:
        delivery.register.tenant("riverside-clinic")
        boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=REGISTER.encode())

        event = load("import_records_uploaded")

        assert delivery.running.functions.invoke("ImportRecordsFunction", event)[0]["imported"] == 1

    def test_what_it_rejected_lies_beside_it(self, delivery: Delivery, bucket: str) -> None:
        delivery.register.tenant("riverside-clinic")
        self.upload(delivery, bucket, KEY, REGISTER)

        stored = boto3.client("s3").get_object(
            Bucket=bucket, Key="rejects/riverside-clinic/licences november 2026.csv.csv"
        )

        rejects = stored["Body"].read().decode()
        assert "02/30/2027" in rejects
        assert "ada@clinic.test" not in rejects

    def test_the_same_event_again_changes_nothing(self, delivery: Delivery, bucket: str) -> None:
        delivery.register.tenant("riverside-clinic")
        self.upload(delivery, bucket, KEY, REGISTER)
        before = delivery.register.rows("SELECT * FROM notification_schedule ORDER BY scheduled_at")

        self.upload(delivery, bucket, KEY, REGISTER)

        assert delivery.register.rows("SELECT * FROM notification_schedule ORDER BY scheduled_at") == before

    def test_a_register_that_is_called_like_the_rejects_file(self, delivery: Delivery, bucket: str) -> None:
        delivery.register.tenant("riverside-clinic")

        (totals,) = self.upload(delivery, bucket, "incoming/riverside-clinic/rejects.csv", REGISTER)

        assert (totals["imported"], totals["rejected"]) == (1, 1)

    def test_the_job_that_waits_for_a_register_is_the_import_s_own(
        self, delivery: Delivery, bucket: str
    ) -> None:
        tenant = delivery.register.tenant("riverside-clinic")
        jobs = [self.waiting(delivery, tenant, "register.csv") for _ in range(2)]

        (totals,) = self.upload(delivery, bucket, f"incoming/{tenant}/{jobs[0]}/register.csv", REGISTER)
        with pytest.raises(FunctionError, match="RegisterRefused"):
            self.upload(delivery, bucket, f"incoming/{tenant}/{jobs[1]}/register.csv", "Ada\nGrace\n")

        assert totals["import_id"] == jobs[0]
        found = delivery.register.rows(
            "SELECT CAST(import_id AS text), status, failure IS NULL, counts ->> 'imported' FROM imports"
        )
        assert sorted(found) == sorted([(jobs[0], "DONE", True, "1"), (jobs[1], "FAILED", False, None)])
        listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="rejects/")["Contents"]
        assert {each["Key"] for each in listed} == {
            f"rejects/{tenant}/{jobs[0]}/register.csv.csv",
            f"rejects/{tenant}/{jobs[1]}/register.csv.refused.txt",
        }

    def waiting(self, delivery: Delivery, tenant: UUID, name: str) -> str:
        job = str(uuid4())
        delivery.register.execute(
            "INSERT INTO imports (import_id, tenant_id, source_name, status, mapping, started_at)"
            " VALUES (:job, :tenant, :name, 'WAITING', '{}', :now)",
            job=job, tenant=tenant, name=name, now=NOW,
        )  # fmt: skip
        return job

    @pytest.mark.parametrize("name", ["登録簿" * 40 + ".csv", "..", "register"])
    def test_a_register_may_be_called_as_no_file_can(
        self, delivery: Delivery, bucket: str, name: str
    ) -> None:
        tenant = delivery.register.tenant("riverside-clinic")
        job = self.waiting(delivery, tenant, name)

        (totals,) = self.upload(delivery, bucket, f"incoming/{tenant}/{job}/{name}", REGISTER)

        assert totals["imported"] == 1
        done = delivery.register.rows("SELECT source_name, status, counts ->> 'uploaded' FROM imports")
        assert done == [(name, "DONE", "true")]
        direct = self.upload(delivery, bucket, f"incoming/riverside-clinic/{name}", REGISTER)
        assert direct[0]["imported"] == 1
        assert delivery.register.rows("SELECT DISTINCT source_name FROM imports") == [(name,)]

    @pytest.mark.parametrize("broken", ["REVOKE INSERT ON licenses FROM nolapse_engine", ""])
    def test_whatever_fails_an_import_says_what_to_do(
        self, delivery: Delivery, bucket: str, broken: str
    ) -> None:
        """The database refuses, or the register is gone before it was read."""
        tenant = delivery.register.tenant("riverside-clinic")
        job = self.waiting(delivery, tenant, "register.csv")
        key = f"incoming/{tenant}/{job}/register.csv"
        if broken:
            with delivery.register.database.owner.begin() as connection:
                connection.exec_driver_sql(broken)
            with pytest.raises(FunctionError, match="ProgrammingError"):
                self.upload(delivery, bucket, key, REGISTER)
        else:
            event = load("import_records_uploaded")
            event["Records"][0]["s3"]["object"]["key"] = key
            with pytest.raises(FunctionError, match="ClientError"):
                delivery.running.functions.invoke("ImportRecordsFunction", event)

        ((status, failure, uploaded),) = delivery.register.rows(
            "SELECT status, failure, counts ->> 'uploaded' FROM imports"
        )
        assert (status, uploaded) == ("FAILED", "true")
        stored = boto3.client("s3").get_object(
            Bucket=bucket, Key=f"rejects/{tenant}/{job}/register.csv.refused.txt"
        )
        why = stored["Body"].read().decode()
        assert failure in why
        assert "send the register again" in why

    def test_a_folder_made_in_the_console_is_no_register(self, delivery: Delivery, bucket: str) -> None:
        assert self.upload(delivery, bucket, "incoming/riverside-clinic/", "") == []

    def test_a_register_that_is_refused_says_why_beside_it_and_not_in_the_error(
        self, delivery: Delivery, bucket: str
    ) -> None:
        delivery.register.tenant("riverside-clinic")

        with pytest.raises(FunctionError, match="RegisterRefused") as failed:
            self.upload(delivery, bucket, KEY, "Ada Lovelace\nGrace Hopper\n")

        assert "Ada" not in str(failed.value.__cause__)
        why = boto3.client("s3").get_object(
            Bucket=bucket, Key="rejects/riverside-clinic/licences november 2026.csv.refused.txt"
        )
        assert b"no column looks like license_number among 'Ada Lovelace'" in why["Body"].read()
