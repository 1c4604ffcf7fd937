"""The id of a request that moved a notification, in the lines of the dispatcher that sends it, days and tries later."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.doubles import faults
from nolapse.domain.routing import RETRY_DELAYS
from nolapse.runtime.observability import logger
from nolapse.runtime.sqs_events import correlation_ids
from tests.integration.api.conftest import Api, serving, through
from tests.integration.delivery.conftest import OPENS, Delivery

DAY = timedelta(days=1)


@pytest.fixture
def api(delivery: Delivery, tmp_path: Path) -> Iterator[Api]:
    with serving(delivery.register, tmp_path / "api") as made:
        yield made


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that the functions write."""
    written, handler = io.StringIO(), logger().registered_handler
    former = handler.setStream(written)  # type: ignore[attr-defined]
    yield written
    handler.setStream(former)  # type: ignore[attr-defined]


def lines(log: io.StringIO, message: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in found if line["message"] == message]


def dispatched(log: io.StringIO) -> list[str]:
    return [line["correlation_id"] for line in lines(log, "dispatch.finished")]


def the_license(delivery: Delivery) -> str:
    """The path of the only one."""
    ((license_id,),) = delivery.register.rows("SELECT license_id FROM licenses")
    return f"/v1/licenses/{license_id}"


def moved(api: Api, path: str, token: str, expires: str, request: str) -> None:
    answer = api.call("PATCH", path, token, {"expires_on": expires}, if_match="*", x_correlation_id=request)
    assert (answer.status, answer.headers["x-correlation-id"]) == (200, request)


def kept(delivery: Delivery, *statuses: str) -> list[tuple[Any, ...]]:
    return delivery.register.rows(
        "SELECT event, correlation_id FROM notification_schedule WHERE status = ANY (CAST(:statuses AS text[]))"
        " ORDER BY scheduled_at",
        statuses=list(statuses),
    )


def test_an_edit_is_named_when_what_it_moved_is_sent(api: Api, delivery: Delivery, log: io.StringIO) -> None:
    token = api.token(delivery.due())
    moved(api, the_license(delivery), token, "2026-11-26", "register-desk.42")
    assert kept(delivery, "PENDING", "CANCELLED") == [
        ("SECONDARY", "register-desk.42"), ("SECONDARY", "register-desk.42"),
        ("PAST_DUE", "register-desk.42"), ("PAST_DUE", "register-desk.42"),
    ]  # fmt: skip

    # Its window opens a day later; the nights in between and a try that fails leave the id alone.
    delivery.invoke("ReconcileFunction", OPENS)
    delivery.faults.inject(faults.answer(429))
    delivery.send(OPENS + DAY)
    delivery.send(OPENS + DAY + RETRY_DELAYS[0] * 1.2)

    assert delivery.statuses()["SENT"] == 1
    assert dispatched(log) == ["register-desk.42"] * 2


def test_the_last_request_counts_and_what_none_moved_is_the_scan_s(
    api: Api, delivery: Delivery, log: io.StringIO
) -> None:
    token = api.token(delivery.due())
    for expires, request in (("2026-11-26", "first"), ("2026-11-27", "second"), ("2026-11-26", "third")):
        moved(api, the_license(delivery), token, expires, request)
    delivery.due(1, "another")

    delivery.send(OPENS)
    delivery.send(OPENS + DAY)

    run = lines(log, "run.finished")[0]["run_id"]
    assert dispatched(log) == [run, "third"]


def test_every_request_that_a_batch_comes_from_is_named(
    api: Api, delivery: Delivery, log: io.StringIO
) -> None:
    """Also of the people of one tenant, who share a message of the queue."""
    for slug, people in (("east", 3), ("west", 1)):
        token = api.token(delivery.due(people, slug))
        for number, license_id in delivery.register.rows(
            "SELECT row_number() OVER (ORDER BY license_number), license_id"
            " FROM licenses JOIN tenants USING (tenant_id) WHERE slug = :slug",
            slug=slug,
        ):
            request = f"{slug}-{min(number, 2)}"
            moved(api, f"/v1/licenses/{license_id}", token, "2026-11-26", request)
    delivery.send(OPENS + DAY)
    assert sorted(",".join(dispatched(log)).split(",")) == ["east-1", "east-2", "west-1"]


def test_what_is_sent_again_names_who_asked_for_it(api: Api, delivery: Delivery, log: io.StringIO) -> None:
    token = api.token(delivery.due())
    moved(api, the_license(delivery), token, "2026-11-26", "edit")
    delivery.faults.inject(faults.answer(400))
    delivery.send(OPENS + DAY)
    assert delivery.statuses()["DEFERRED"] == 1
    api.clock.move_to(OPENS + DAY + timedelta(minutes=5))

    asked = {"reason": "rejected", "dry_run": False}
    answer = api.call("POST", "/v1/notifications/resend", token, asked, x_correlation_id="resend-1")
    assert answer.body["waiting"] == {"PENDING": 1}
    delivery.send(OPENS + DAY + timedelta(minutes=10))

    assert delivery.statuses()["SENT"] == 1
    assert dispatched(log) == ["edit", "resend-1"]


def test_a_hold_that_was_decided_names_who_decided(api: Api, delivery: Delivery, log: io.StringIO) -> None:
    token = api.token(delivery.due())
    ((key,),) = delivery.register.rows(
        "SELECT encode(idempotency_key, 'hex') FROM notification_schedule WHERE event = 'SECONDARY'"
    )
    api.clock.move_to(OPENS)
    through(api, key, "QUEUED", "SENDING", "UNKNOWN", "HELD")

    answer = api.call(
        "POST", f"/v1/holds/{key}/decision", token, {"decision": "SEND_AGAIN"}, x_correlation_id="decided"
    )
    assert answer.body["status"] == "PENDING"
    delivery.send(OPENS + timedelta(minutes=1))

    assert (delivery.statuses(), dispatched(log)) == ({"SENT": 1}, ["decided"])


@pytest.mark.parametrize("request_id", [None, "no id at all", "x" * 65])
def test_a_request_without_a_good_id_has_the_one_that_was_made_for_it(
    api: Api, delivery: Delivery, request_id: str | None
) -> None:
    token = api.token(delivery.due())
    path = the_license(delivery)
    sent = {"x_correlation_id": request_id} if request_id else {}
    answer = api.call("PATCH", path, token, {"expires_on": "2026-11-26"}, if_match="*", **sent)
    assert {each for _, each in kept(delivery, "PENDING")} == {answer.headers["x-correlation-id"]}


def test_one_request_s_id_is_not_the_next_one_s(api: Api, delivery: Delivery) -> None:
    """Connections are used again: what a transaction set must end with it."""
    token = api.token(delivery.due())
    moved(api, the_license(delivery), token, "2026-11-26", "edit")
    with delivery.register.database.api.connect() as connection:
        assert (
            connection.exec_driver_sql(
                "SELECT coalesce(current_setting('app.correlation_id', true), '')"
            ).scalar_one()
            == ""
        )


def test_what_could_be_no_id_is_left_out_of_the_log() -> None:
    given = ["b-2", "a.1", "b-2", "ada lovelace", "x" * 65, "ada@clinic.test", "", "c,,d e,b-2"]
    records = [{"messageAttributes": {"correlation_id": {"stringValue": each}}} for each in given]
    assert correlation_ids({"Records": [*records, {}]}) == "a.1,b-2,c"
