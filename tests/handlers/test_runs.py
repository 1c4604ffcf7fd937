"""One heartbeat row per scheduled run, also of one that failed."""

from datetime import UTC, datetime

import pytest

from local.lambda_runtime import FunctionError
from tests.integration.delivery.conftest import OPENS, Delivery

HEARTBEATS = "SELECT function, started_at, finished_at, counts FROM scheduler_heartbeat ORDER BY run_id"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("ScanFunction", "scan"),
        ("CatchUpFunction", "catch_up"),
        ("ReconcileFunction", "reconcile"),
        ("MaintenanceFunction", "maintenance"),
    ],
)
def test_a_run_leaves_its_times_and_counts(delivery: Delivery, function: str, name: str) -> None:
    answer = delivery.invoke(function, OPENS)

    assert delivery.register.rows(HEARTBEATS) == [(name, OPENS, OPENS, answer)]


def test_a_run_that_failed_never_finished(delivery: Delivery) -> None:
    with delivery.register.database.owner.begin() as connection:
        connection.exec_driver_sql("REVOKE SELECT ON licenses FROM nolapse_engine")

    with pytest.raises(FunctionError, match="ProgrammingError"):
        delivery.invoke("ReconcileFunction", OPENS)

    assert delivery.register.rows(HEARTBEATS) == [("reconcile", OPENS, None, {})]


def test_the_next_run_after_a_failed_one_goes_on(delivery: Delivery) -> None:
    delivery.due()
    delivery.register.execute(
        "INSERT INTO scheduler_heartbeat (function, started_at) VALUES ('reconcile', :at)",
        at=datetime(2026, 10, 26, 1, tzinfo=UTC),
    )

    assert delivery.invoke("ReconcileFunction", OPENS)["drift"] == 0
