"""/health: 200 when the work can be done, 503 with the part that is wrong when it can't."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.lambda_runtime import Functions
from nolapse.storage.schema import HEAD
from tests.handlers.conftest import load
from tests.integration.delivery.conftest import Delivery


def health(
    functions: Functions, event: str = "api_health", path: str | None = None
) -> tuple[int, dict[str, Any], dict[str, str]]:
    given = load(event)
    answer = functions.invoke("ApiFunction", {**given, "rawPath": path or given["rawPath"]})
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


@contextmanager
def api_with(delivery: Delivery, **variables: str) -> Iterator[Functions]:
    function = delivery.running.stack.functions["ApiFunction"]
    changed = replace(function, environment={**function.environment, **variables})
    with Functions({"ApiFunction": changed}, {}) as functions:
        yield functions


@pytest.mark.parametrize("event", ["api_health", "api_ready"])
def test_all_is_well(delivery: Delivery, event: str) -> None:
    delivery.scan(datetime.now(UTC))

    status, body, headers = health(delivery.running.functions, event)

    assert (status, body) == (
        200,
        {
            "status": "ok",
            "checks": {
                "database": "ok",
                "schema": "ok",
                "queue": "ok",
                "zone_data": "ok",
                "scan": "ok",
                "providers": "ok",
            },
        },
    )
    assert "Retry-After" not in headers


def test_a_provider_out_of_reach_is_named_and_is_no_failure(delivery: Delivery) -> None:
    delivery.scan(datetime.now(UTC))
    delivery.register.execute(
        "INSERT INTO provider_circuit (provider, state, failures, retry_at, changed_at)"
        " VALUES ('sendgrid', 'OPEN', 5, now(), now())"
    )
    status, body, _ = health(delivery.running.functions)
    assert (status, body["checks"]["providers"]) == (200, "out of reach: sendgrid")


def test_no_scan_for_five_minutes(delivery: Delivery) -> None:
    delivery.register.execute(
        "INSERT INTO scheduler_heartbeat (function, started_at, finished_at) VALUES ('scan', :at, :at)",
        at=datetime.now(UTC) - timedelta(minutes=6),
    )

    status, body, headers = health(delivery.running.functions)

    assert (status, body["checks"]["scan"]) == (503, "no finished run in the last 5 minutes")
    assert headers["Retry-After"] == "30"


def test_scans_that_begin_and_never_end(delivery: Delivery) -> None:
    delivery.register.execute("INSERT INTO scheduler_heartbeat (function, started_at) VALUES ('scan', now())")

    assert health(delivery.running.functions)[0] == 503


def test_no_zone_data(delivery: Delivery) -> None:
    delivery.scan(datetime.now(UTC))
    delivery.register.execute("DELETE FROM zone_offset")

    status, body, _ = health(delivery.running.functions)

    assert (status, body["checks"]["zone_data"]) == (503, "empty: run the maintenance function")


def test_a_database_that_is_not_there(delivery: Delivery, tmp_path: Path) -> None:
    with api_with(delivery, DATABASE_HOST=str(tmp_path)) as functions:
        status, body, _ = health(functions)

    assert (status, body) == (503, {"status": "unavailable", "checks": {"database": "unreachable"}})


def test_a_database_that_comes_back(delivery: Delivery) -> None:
    delivery.scan(datetime.now(UTC))
    assert health(delivery.running.functions)[0] == 200

    with delivery.register.database.owner.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'nolapse_api'"
        )

    assert health(delivery.running.functions)[0] == 200


def test_a_queue_that_is_not_there(delivery: Delivery) -> None:
    delivery.scan(datetime.now(UTC))
    url = delivery.running.stack.ref("EmailDlq")
    boto3.client("sqs").delete_queue(QueueUrl=url)

    status, body, headers = health(delivery.running.functions)

    assert (status, body["checks"]["queue"]) == (503, f"unreachable: {url.rpartition('/')[2]}")
    assert headers["Retry-After"] == "30"


def test_a_schema_that_is_behind(delivery: Delivery) -> None:
    delivery.scan(datetime.now(UTC))
    with delivery.register.database.owner.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")

    status, body, _ = health(delivery.running.functions, path="/health/db")

    assert (status, body["checks"]) == (
        503,
        {"database": "ok", "schema": f"at 0001, and this code needs {HEAD}: run `nolapse migrate`"},
    )
