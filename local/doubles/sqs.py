"""SQS on loopback, with a standard queue's semantics under any clock, and the faults of a distributed one.

As at AWS, messages come in any order, one that was handed over is hidden for the visibility timeout and comes
again unless it is deleted, and after maxReceiveCount it goes to the dead-letter queue. The four actions that the
stack needs, in the JSON protocol:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

import hashlib
import json
import random
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import Any, Protocol, Self

from local.doubles.server import DoubleServer, Fault, Reply, Request

_TARGET = "AmazonSQS."
_MOST_ENTRIES = 10


@dataclass(slots=True)
class Message:
    body: str
    group: str
    sent_at: datetime
    visible_at: datetime
    message_id: str = field(default_factory=lambda: secrets.token_hex(16))
    receives: int = 0
    receipt: str | None = None


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What a queue's attributes say; `dead_letters` is another queue's URL."""

    visibility: timedelta
    retention: timedelta
    most_receives: int | None = None
    dead_letters: str | None = None


class Misbehaviour(Protocol):
    """What a distributed queue may do to one message, by its body."""

    def refuses(self, body: str) -> bool: ...

    def delays(self, body: str) -> timedelta: ...

    def repeats(self, body: str) -> timedelta | None:
        """After how long a message that was deleted comes once more."""
        ...


class Reliable:
    def refuses(self, _body: str) -> bool:
        return False

    def delays(self, _body: str) -> timedelta:
        return timedelta()

    def repeats(self, _body: str) -> timedelta | None:
        return None


class SqsDouble:
    """Runs between start() and stop(), or in a with block; `queues` are the stack's, by URL."""

    def __init__(
        self,
        queues: Mapping[str, QueueRules],
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
    ) -> None:
        self._rules = queues
        self._clock = clock
        self._server = DoubleServer(self._route, clock, faults)
        self._lock = Lock()
        self.empty(0, Reliable())

    def empty(self, seed: int, misbehaviour: Misbehaviour) -> None:
        """Forget everything; from now on order is drawn from `seed`."""
        self._queues: dict[str, list[Message]] = {url: [] for url in self._rules}
        self._dice = random.Random(seed)
        self._misbehaviour = misbehaviour
        self.bodies: list[str] = []

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def messages(self, url: str) -> list[Message]:
        with self._lock:
            return list(self._queues[url])

    def next_visible(self, url: str) -> datetime | None:
        return min((message.visible_at for message in self.messages(url)), default=None)

    def _route(self, request: Request) -> Reply:
        action = request.headers.get("X-Amz-Target", "").removeprefix(_TARGET)
        asked: dict[str, Any] = json.loads(request.body)
        routes: dict[str, Callable[[dict[str, Any]], Reply]] = {
            "SendMessageBatch": self._send,
            "ReceiveMessage": self._receive,
            "DeleteMessageBatch": self._delete,
            "GetQueueAttributes": self._attributes,
        }
        if action not in routes:
            return _error("UnsupportedOperation")
        if asked.get("QueueUrl") not in self._rules:
            return _error("QueueDoesNotExist")
        with self._lock:
            return routes[action](asked)

    def _send(self, asked: dict[str, Any]) -> Reply:
        entries = asked["Entries"]
        if not entries:
            return _error("EmptyBatchRequest")
        if len(entries) > _MOST_ENTRIES:
            return _error("TooManyEntriesInBatchRequest")
        if len({entry["Id"] for entry in entries}) < len(entries):
            return _error("BatchEntryIdsNotDistinct")
        sent, failed = [], []
        for entry in entries:
            body = entry["MessageBody"]
            if self._misbehaviour.refuses(body):
                failed.append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
                continue
            now = self._clock()
            message = Message(
                body, entry.get("MessageGroupId", ""), now, now + self._misbehaviour.delays(body)
            )
            self._queues[asked["QueueUrl"]].append(message)
            self.bodies.append(body)
            sent.append({"Id": entry["Id"], "MessageId": message.message_id, "MD5OfMessageBody": _md5(body)})
        return Reply(HTTPStatus.OK, {"Successful": sent, "Failed": failed})

    def _receive(self, asked: dict[str, Any]) -> Reply:
        url, now = asked["QueueUrl"], self._clock()
        rules = self._rules[url]
        self._expire(url, now - rules.retention)
        visible = [message for message in self._queues[url] if message.visible_at <= now]
        self._dice.shuffle(visible)
        handed: list[dict[str, Any]] = []
        for message in visible:
            if len(handed) == asked.get("MaxNumberOfMessages", 1):
                break
            message.receives += 1
            if rules.most_receives is not None and message.receives > rules.most_receives:
                self._bury(message, url, rules)
                continue
            message.receipt = secrets.token_hex(16)
            message.visible_at = (
                now + timedelta(seconds=asked["VisibilityTimeout"])
                if ("VisibilityTimeout" in asked)
                else now + rules.visibility
            )
            handed.append(_handed(message))
        return Reply(HTTPStatus.OK, {"Messages": handed} if handed else {})

    def _delete(self, asked: dict[str, Any]) -> Reply:
        queue = self._queues[asked["QueueUrl"]]
        for entry in asked["Entries"]:
            # A receipt of an earlier handing over is taken, and deletes nothing.
            for message in [each for each in queue if each.receipt == entry["ReceiptHandle"]]:
                queue.remove(message)
                again = self._misbehaviour.repeats(message.body)
                if again is not None:
                    message.visible_at = self._clock() + again
                    queue.append(message)
        deleted = [{"Id": entry["Id"]} for entry in asked["Entries"]]
        return Reply(HTTPStatus.OK, {"Successful": deleted, "Failed": []})

    def _attributes(self, asked: dict[str, Any]) -> Reply:
        now, queue = self._clock(), self._queues[asked["QueueUrl"]]
        visible = sum(message.visible_at <= now for message in queue)
        known = {
            "ApproximateNumberOfMessages": str(visible),
            "ApproximateNumberOfMessagesNotVisible": str(len(queue) - visible),
        }
        return Reply(
            HTTPStatus.OK,
            {"Attributes": {name: known[name] for name in asked["AttributeNames"] if name in known}},
        )

    def _expire(self, url: str, sent_by: datetime) -> None:
        self._queues[url] = [message for message in self._queues[url] if message.sent_at > sent_by]

    def _bury(self, message: Message, url: str, rules: QueueRules) -> None:
        self._queues[url].remove(message)
        if rules.dead_letters is not None:
            self._queues[rules.dead_letters].append(message)


def queue_rules(queues: Iterable[tuple[str, str, Mapping[str, str]]]) -> dict[str, QueueRules]:
    """By URL, from (URL, ARN, attributes) as SetQueueAttributes takes them."""
    listed = list(queues)
    urls = {arn: url for url, arn, _ in listed}
    return {url: _rules(attributes, urls) for url, _, attributes in listed}


def _rules(attributes: Mapping[str, str], urls: Mapping[str, str]) -> QueueRules:
    redrive = json.loads(attributes.get("RedrivePolicy", "{}"))
    return QueueRules(
        visibility=timedelta(seconds=int(attributes.get("VisibilityTimeout", "30"))),
        retention=timedelta(seconds=int(attributes.get("MessageRetentionPeriod", "345600"))),
        most_receives=int(redrive["maxReceiveCount"]) if redrive else None,
        dead_letters=urls[redrive["deadLetterTargetArn"]] if redrive else None,
    )


def _handed(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": _md5(message.body),
        "Attributes": {
            "SentTimestamp": str(int(message.sent_at.timestamp() * 1000)),
            "ApproximateReceiveCount": str(message.receives),
            "MessageGroupId": message.group,
        },
    }


def _md5(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def _error(code: str) -> Reply:
    return Reply(HTTPStatus.BAD_REQUEST, {"__type": f"com.amazonaws.sqs#{code}", "message": code})
