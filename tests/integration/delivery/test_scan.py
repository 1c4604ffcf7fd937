"""What scan puts on the queue, in which order and how much of it; and that a claim is never lost or doubled."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from nolapse.delivery.flags import FileStore, Flags
from nolapse.delivery.queue import NotificationQueue, QueuedNotification
from nolapse.delivery.scan import scan
from nolapse.runtime.bootstrap import runtime
from tests.integration.delivery.conftest import CLOSES, EXPIRES, OPENS, Delivery

QUEUED_BY_TENANT = """
SELECT slug, count(*) FROM notification_schedule JOIN tenants USING (tenant_id)
WHERE status = 'QUEUED' GROUP BY slug ORDER BY slug
"""


def test_a_reminder_leaves_when_its_window_opens_and_not_before(delivery: Delivery) -> None:
    delivery.due()

    assert delivery.scan(OPENS - timedelta(seconds=1))["claimed"] == 0
    assert delivery.scan(OPENS)["claimed"] == 1
    assert delivery.register.statuses() == {
        "PRIMARY": "SUPPRESSED",
        "SECONDARY": "QUEUED",
        "PAST_DUE": "PENDING",
    }


def test_a_closed_window_is_left_to_catch_up(delivery: Delivery) -> None:
    delivery.due()

    assert delivery.scan(CLOSES)["claimed"] == 0
    assert delivery.statuses() == {"PENDING": 1}


def test_what_was_told_to_wait_waits(delivery: Delivery) -> None:
    delivery.due()
    delivery.register.execute(
        "UPDATE notification_schedule SET next_attempt_at = :later WHERE event = 'SECONDARY'",
        later=OPENS + timedelta(minutes=5),
    )

    assert delivery.scan(OPENS + timedelta(minutes=4))["claimed"] == 0
    assert delivery.scan(OPENS + timedelta(minutes=5))["claimed"] == 1


def test_the_earliest_deadline_goes_first(delivery: Delivery) -> None:
    tenant = delivery.due(3)
    # 08:00 to 12:00 in Halifax is an hour earlier than in New York.
    urgent = delivery.register.clinician(tenant, "urgent", "America/Halifax")
    license_id = delivery.register.license(tenant, urgent, EXPIRES)
    delivery.register.plan()

    delivery.clock.move_to(OPENS)
    scan(delivery.running.engine, delivery.queue, runtime().flags, now=OPENS, limit=1, correlation_id="scan")

    assert delivery.register.rows("SELECT license_id FROM notification_schedule WHERE status = 'QUEUED'") == [
        (license_id,)
    ]


def test_a_tenant_with_many_does_not_starve_one_with_few(delivery: Delivery) -> None:
    delivery.due(500, "large")
    # Their deadline lies an hour later: in order of deadlines alone they would come last.
    delivery.due(3, "small", "America/Chicago")

    delivery.scan(OPENS + timedelta(hours=2))

    assert delivery.register.rows(QUEUED_BY_TENANT) == [("large", 97), ("small", 3)]


def test_scan_stays_within_its_limit_ahead_of_the_senders(delivery: Delivery) -> None:
    delivery.due(130)

    assert delivery.scan(OPENS)["claimed"] == 100
    in_flight = delivery.receive()
    assert delivery.scan() == {
        "claimed": 0,
        "refused": 0,
        "room": 0,
        "circuits_open": 0,
        "tenant_circuits_open": 0,
    }

    for message in in_flight:
        boto3.client("sqs").delete_message(
            QueueUrl=delivery.running.stack.ref("EmailQueue"), ReceiptHandle=message["ReceiptHandle"]
        )
    assert delivery.scan()["claimed"] == 30


def test_scans_at_once_claim_disjoint_rows(delivery: Delivery) -> None:
    delivery.due(100)

    def claim(_: int) -> int:
        return scan(
            delivery.running.engine,
            delivery.queue,
            runtime().flags,
            now=OPENS,
            limit=100,
            correlation_id="scan",
        )["claimed"]

    with ThreadPoolExecutor(4) as pool:
        claimed = list(pool.map(claim, range(8)))

    keys = [queued.key for queued in delivery.opened(_all_messages(delivery))]
    assert sum(claimed) == len(keys) == len(set(keys)) == 100
    assert delivery.statuses() == {"QUEUED": 100}


def _all_messages(delivery: Delivery) -> list[Any]:
    messages = []
    while received := delivery.receive():
        messages += received
    return messages


def test_a_message_carries_ten_of_a_tenant_and_nobody_else_s(delivery: Delivery) -> None:
    tenants = {delivery.due(13, "large"): [10, 3], delivery.due(2, "small"): [2]}

    delivery.scan(OPENS)

    carried: dict[UUID, list[int]] = {}
    for message in delivery.receive():
        group = UUID(message["Attributes"]["MessageGroupId"])
        carried.setdefault(group, []).append(len(delivery.opened([message])))
    assert {tenant: sorted(counts, reverse=True) for tenant, counts in carried.items()} == tenants


def test_messages_carry_ids_alone_and_their_tenant_as_group(delivery: Delivery) -> None:
    tenant = delivery.due()
    ((key, scheduled_at),) = delivery.register.rows(
        "SELECT encode(idempotency_key, 'hex'), scheduled_at FROM notification_schedule WHERE event = 'SECONDARY'"
    )

    delivery.scan(OPENS)

    (message,) = delivery.receive()
    assert delivery.opened([message]) == [QueuedNotification(key=key, scheduled_at=scheduled_at)]
    assert message["Attributes"]["MessageGroupId"] == str(tenant)
    assert "MessageAttributes" not in message


def test_a_crash_between_commit_and_send_loses_nothing(delivery: Delivery) -> None:
    delivery.due(3)
    sqs = boto3.client("sqs", config=Config(retries={"total_max_attempts": 1}))

    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="sqs")

    sqs.meta.events.register("before-send.sqs.SendMessageBatch", unreachable)
    queue = NotificationQueue(sqs, delivery.running.stack.ref("EmailQueue"), lambda: runtime().key_ring)
    with pytest.raises(EndpointConnectionError):
        scan(delivery.running.engine, queue, runtime().flags, now=OPENS, limit=100, correlation_id="scan")
    assert delivery.statuses() == {"QUEUED": 3}
    assert delivery.bodies() == []

    # A message may still be under way for a while: too early a return would only double the work.
    assert delivery.catch_up(OPENS + timedelta(minutes=14))["returned"] == 0
    assert delivery.catch_up(OPENS + timedelta(minutes=15))["returned"] == 3
    delivery.send()

    assert delivery.statuses() == {"SENT": 3}
    assert len(delivery.mail) == 3


def test_what_a_flag_holds_back_never_reaches_the_queue(delivery: Delivery, tmp_path: Path) -> None:
    delivery.due(3)
    delivery.due(2, "other")
    rule = {
        "when_match": "HOLD_BACK",
        "conditions": [{"action": "EQUALS", "key": "tenant", "value": "clinic"}],
    }
    path = tmp_path / "flags.json"
    path.write_text(
        json.dumps({"not-yet": {"default": "SEND", "boolean_type": False, "rules": {"clinic": rule}}})
    )
    flags = Flags(FileStore(path), pytest.fail)

    counts = scan(delivery.running.engine, delivery.queue, flags, now=OPENS, limit=100, correlation_id="scan")

    assert (counts["claimed"], counts["held_back"]) == (5, 3)
    assert len(delivery.opened(delivery.receive())) == 2
    assert delivery.register.rows(
        "SELECT reason, count(*) FROM notification_schedule WHERE reason LIKE 'flag:%' GROUP BY reason"
    ) == [("flag: not-yet", 3)]


@pytest.mark.parametrize(
    "document",
    [
        {"a\0b": {"default": "HOLD_BACK", "boolean_type": False}},
        {"not-yet": {"default": "SEND", "boolean_type": False, "rules": {"clinic": {
            "when_match": "HOLD_BACK",
            "conditions": [{"action": "EQUALS", "key": "tenant", "value": ["clinic"]}],
        }}}},
    ],
)  # fmt: skip
def test_flags_that_make_no_sense_neither_stop_scan_nor_let_go_what_is_held_back(
    delivery: Delivery, tmp_path: Path, document: dict[str, Any]
) -> None:
    path, failures = tmp_path / "flags.json", list[str]()
    flags = Flags(FileStore(path), failures.append)

    def claimed(said: dict[str, Any]) -> tuple[int, int]:
        path.write_text(json.dumps(said))
        counts = scan(
            delivery.running.engine, delivery.queue, flags, now=OPENS, limit=100, correlation_id="scan"
        )
        return counts["claimed"], counts["held_back"]

    delivery.due(2)
    assert claimed({"not-yet": {"default": "HOLD_BACK", "boolean_type": False}}) == (2, 2)
    delivery.due(1, "another")

    assert claimed(document) == (1, 1)

    assert len(failures) == 1
    assert delivery.bodies() == []
