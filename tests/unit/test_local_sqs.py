"""The queue's double, asked by boto3: what a standard queue promises, and what it doesn't."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local.clock import VirtualClock
from local.doubles.sqs import SqsDouble, queue_rules

NOW = datetime(2026, 10, 26, tzinfo=UTC)
WORK, DEAD = "http://sqs.test/work", "http://sqs.test/dead"
HIDDEN = timedelta(seconds=30)
QUEUES = queue_rules(
    [
        (
            WORK,
            "arn:work",
            {
                "VisibilityTimeout": "30",
                "MessageRetentionPeriod": "3600",
                "RedrivePolicy": json.dumps({"deadLetterTargetArn": "arn:dead", "maxReceiveCount": 2}),
            },
        ),
        (DEAD, "arn:dead", {}),
    ]
)


class Unreliable:
    """Refuses `no`, holds `slow` back for a minute, and delivers `twice` again a minute after it was deleted."""

    def __init__(self) -> None:
        self._repeated: set[str] = set()

    def refuses(self, body: str) -> bool:
        return body == "no"

    def delays(self, body: str) -> timedelta:
        return timedelta(minutes=body == "slow")

    def repeats(self, body: str) -> timedelta | None:
        if body != "twice" or body in self._repeated:
            return None
        self._repeated.add(body)
        return timedelta(minutes=1)


class Asked:
    def __init__(self, double: SqsDouble, clock: VirtualClock) -> None:
        self.double, self._clock = double, clock
        self.client = boto3.session.Session().client(
            "sqs",
            endpoint_url=double.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    def wait(self, time: timedelta) -> None:
        self._clock.move_to(self._clock.now() + time)

    def send(self, *bodies: str) -> dict[str, Any]:
        entries: Any = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        return dict(self.client.send_message_batch(QueueUrl=WORK, Entries=entries))

    def receive(self, url: str = WORK) -> list[Any]:
        return list(self.client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))

    def bodies(self, url: str = WORK) -> list[str]:
        return sorted(message["Body"] for message in self.receive(url))

    def delete(self, *messages: Any) -> None:
        entries: Any = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(messages)
        ]
        assert not self.client.delete_message_batch(QueueUrl=WORK, Entries=entries).get("Failed")

    def depth(self) -> dict[str, str]:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        return dict(self.client.get_queue_attributes(QueueUrl=WORK, AttributeNames=names)["Attributes"])


@pytest.fixture
def queue() -> Iterator[Asked]:
    clock = VirtualClock(NOW)
    with SqsDouble(QUEUES, clock.now) as double:
        double.empty(0, Unreliable())
        yield Asked(double, clock)


def test_what_was_handed_over_is_hidden_and_comes_again_unless_it_is_deleted(queue: Asked) -> None:
    queue.send("a", "b")
    first, second = queue.receive()
    assert queue.receive() == []
    assert queue.depth() == {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "2"}
    queue.delete(first)
    queue.wait(HIDDEN)
    (again,) = queue.receive()
    assert again["MessageId"] == second["MessageId"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_what_is_handed_over_too_often_goes_to_the_dead_letters(queue: Asked) -> None:
    queue.send("poison")
    for _ in range(2):
        assert queue.bodies() == ["poison"]
        queue.wait(HIDDEN)
    assert queue.bodies() == []
    queue.wait(HIDDEN)
    assert queue.bodies(DEAD) == ["poison"]


def test_an_old_receipt_deletes_nothing(queue: Asked) -> None:
    queue.send("a")
    (first,) = queue.receive()
    queue.wait(HIDDEN)
    assert queue.bodies() == ["a"]
    queue.delete(first)
    assert len(queue.double.messages(WORK)) == 1


def test_a_batch_may_fail_in_part(queue: Asked) -> None:
    answer = queue.send("a", "no")
    assert [entry["Id"] for entry in answer["Successful"]] == ["0"]
    assert [entry["Id"] for entry in answer["Failed"]] == ["1"]
    assert queue.double.bodies == ["a"]


def test_a_message_may_be_late_and_may_come_once_more(queue: Asked) -> None:
    queue.send("slow", "twice")
    (first,) = queue.receive()
    queue.delete(first)
    assert queue.bodies() == []
    queue.wait(timedelta(minutes=1))
    assert queue.bodies() == ["slow", "twice"]


def test_order_is_drawn(queue: Asked) -> None:
    sent = [str(number) for number in range(10)]
    queue.send(*sent)
    assert [message["Body"] for message in queue.receive()] != sent


def test_what_nobody_fetches_is_dropped_at_the_end_of_its_retention(queue: Asked) -> None:
    queue.send("a")
    queue.wait(timedelta(hours=1))
    assert queue.bodies() == []
    assert queue.double.messages(WORK) == []


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(number), "MessageBody": "a"} for number in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "1", "MessageBody": "a"}] * 2, "BatchEntryIdsNotDistinct"),
    ],
)
def test_a_batch_that_aws_would_refuse_is_refused(queue: Asked, entries: Any, code: str) -> None:
    with pytest.raises(ClientError, match=code):
        queue.client.send_message_batch(QueueUrl=WORK, Entries=entries)


def test_an_unknown_queue_is_refused(queue: Asked) -> None:
    with pytest.raises(ClientError, match="QueueDoesNotExist"):
        queue.client.receive_message(QueueUrl="http://sqs.test/other")
