"""Lambda's event source mapping for SQS: receive, invoke, delete what was done.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from local.lambda_runtime import FunctionError, Functions
from local.resources import REGION
from local.template import QueueTrigger, Stack

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_MOST_PER_RECEIVE = 10
_LONG_POLL_SECONDS = 1

log = logging.getLogger(__name__)


class InvalidBatchResponseError(Exception):
    def __init__(self, function: str) -> None:
        super().__init__(f"{function} answered with batchItemFailures that name no message of the batch")


@dataclass(frozen=True, slots=True)
class Polled:
    received: int = 0
    deleted: int = 0
    errors: tuple[Exception, ...] = ()

    def __add__(self, other: "Polled") -> "Polled":
        return Polled(
            self.received + other.received, self.deleted + other.deleted, self.errors + other.errors
        )


class EventSource:
    def __init__(
        self, trigger: QueueTrigger, stack: Stack, functions: Functions, client: "SQSClient", *, pollers: int
    ) -> None:
        """`pollers`: batches at once on this machine, at most the trigger's MaximumConcurrency."""
        self._trigger = trigger
        self._url = stack.ref(trigger.queue)
        self._arn = stack.arn(trigger.queue)
        self._functions = functions
        self._client = client
        self._pollers = min(pollers, trigger.maximum_concurrency)

    def poll_once(self, wait_seconds: int = 0) -> Polled:
        messages = self._receive(wait_seconds)
        if not messages:
            return Polled()
        try:
            done = self._invoke(messages)
        except (FunctionError, InvalidBatchResponseError) as error:
            # The whole batch comes back when its visibility timeout is over.
            return Polled(received=len(messages), errors=(error,))
        self._delete(done)
        return Polled(received=len(messages), deleted=len(done))

    def drain(self) -> Polled:
        """Until nothing is visible: what failed is hidden by its visibility timeout, and not waited for."""
        with ThreadPoolExecutor(self._pollers) as pool:
            pending = [pool.submit(self._drain) for _ in range(self._pollers)]
        return sum((future.result() for future in pending), Polled())

    def run(self, stop: Event) -> None:
        """Poll until `stop` is set."""
        with ThreadPoolExecutor(self._pollers) as pool:
            pending = [pool.submit(self._run, stop) for _ in range(self._pollers)]
        for future in pending:
            future.result()

    def _drain(self) -> Polled:
        total = Polled()
        while (polled := self.poll_once()).received:
            total += polled
        return total

    def _run(self, stop: Event) -> None:
        while not stop.is_set():
            for error in self.poll_once(_LONG_POLL_SECONDS).errors:
                log.error("batch failed", extra={"function": self._trigger.function}, exc_info=error)

    def _receive(self, wait_seconds: int) -> list["MessageTypeDef"]:
        messages: list[MessageTypeDef] = []
        while (room := self._trigger.batch_size - len(messages)) > 0:
            most = min(room, _MOST_PER_RECEIVE)
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=0 if messages else wait_seconds,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            received = answer.get("Messages", [])
            messages += received
            if len(received) < most:
                break
        return messages

    def _invoke(self, messages: list["MessageTypeDef"]) -> list["MessageTypeDef"]:
        event = {"Records": [self._record(message) for message in messages]}
        answer = self._functions.invoke(self._trigger.function, event)
        failed = self._failed_ids(answer) if self._trigger.reports_item_failures else set()
        if failed - {message["MessageId"] for message in messages}:
            raise InvalidBatchResponseError(self._trigger.function)
        return [message for message in messages if message["MessageId"] not in failed]

    def _failed_ids(self, answer: Any) -> set[str]:
        """No answer, or one without failures, is a success; a malformed one fails the whole batch."""
        try:
            return {item["itemIdentifier"] or "" for item in (answer or {}).get("batchItemFailures") or []}
        except (AttributeError, KeyError, TypeError):
            raise InvalidBatchResponseError(self._trigger.function) from None

    def _record(self, message: "MessageTypeDef") -> dict[str, Any]:
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: {
                    "stringValue": value.get("StringValue"),
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": value["DataType"],
                }
                for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._arn,
            "awsRegion": REGION,
        }

    def _delete(self, messages: list["MessageTypeDef"]) -> None:
        for some in _slices(messages):
            self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(some)
                ],
            )


def _slices(messages: list["MessageTypeDef"]) -> Iterable[list["MessageTypeDef"]]:
    return (messages[at : at + _MOST_PER_RECEIVE] for at in range(0, len(messages), _MOST_PER_RECEIVE))
