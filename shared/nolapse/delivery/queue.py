"""The queue between scan and dispatch. Messages carry ids only, sealed: no name, no address, no date of anybody."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from nolapse.domain.seals import KeyRing

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PURPOSE = "queue"
CORRELATION = "correlation_id"
CORRELATION_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH = 10
# Notifications that one message names. SQS is paid, sealed, polled and deleted by the message; what comes back with it
# and was sent already is left alone.
CARRIED = 10


class QueuedNotification(BaseModel):
    """Which row to send. `scheduled_at` names its partition."""

    # Built for the first message: most minutes have none to send.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    key: str = Field(pattern="^[0-9a-f]{64}$")
    scheduled_at: AwareDatetime


class QueueMessage(BaseModel):
    """What a message says: rows of one tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    notifications: list[QueuedNotification] = Field(min_length=1, max_length=CARRIED)


def open_message(body: str, keys: KeyRing, now: datetime) -> list[QueuedNotification]:
    """Raises BrokenSeal, or pydantic's ValidationError for what was sealed and says something else."""
    return QueueMessage.model_validate(keys.open(PURPOSE, body, now=now)).notifications


@dataclass(frozen=True, slots=True)
class Claimed:
    """`correlation_id`: of the request that moved the row last, if one did."""

    idempotency_key: bytes
    scheduled_at: datetime
    tenant_id: str
    correlation_id: str | None


class NotificationQueue:
    """An SQS standard queue; MessageGroupId makes it fair between tenants.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
    """

    def __init__(self, client: "SQSClient", url: str, keys: Callable[[], KeyRing]) -> None:
        self._client = client
        self._url = url
        self._keys = keys

    def depth(self) -> int:
        """How many notifications wait or are in flight at most, by SQS's approximate count of its messages."""
        names: Sequence[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in attributes.values()) * CARRIED

    def send(self, claims: Sequence[Claimed], correlation_id: str) -> int:
        """Returns how many SQS refused: their rows stay QUEUED until catch-up returns them.

        `correlation_id` is of those that have none of their own.
        """
        messages = list(_of_one_tenant(claims))
        batches = (messages[start : start + BATCH] for start in range(0, len(messages), BATCH))
        return sum(self._send_batch(batch, correlation_id) for batch in batches)

    def _send_batch(self, batch: Sequence[Sequence[Claimed]], correlation_id: str) -> int:
        answer = self._client.send_message_batch(
            QueueUrl=self._url,
            Entries=[
                {
                    "Id": str(position),
                    "MessageBody": self._sealed(claims),
                    "MessageGroupId": claims[0].tenant_id,
                    "MessageAttributes": {
                        CORRELATION: {"DataType": "String", "StringValue": _origins(claims, correlation_id)}
                    },
                }
                for position, claims in enumerate(batch)
            ],
        )
        return sum(len(batch[int(refused["Id"])]) for refused in answer.get("Failed", []))

    def _sealed(self, claims: Sequence[Claimed]) -> str:
        rows = [
            {"key": each.idempotency_key.hex(), "scheduled_at": each.scheduled_at.isoformat()}
            for each in claims
        ]
        return self._keys().seal(PURPOSE, {"notifications": rows})


def _origins(claims: Sequence[Claimed], run: str) -> str:
    """Each once: of the requests that moved these rows last, and of the run where none did."""
    return ",".join(dict.fromkeys(claim.correlation_id or run for claim in claims))


def _of_one_tenant(claims: Sequence[Claimed]) -> Iterator[Sequence[Claimed]]:
    """The claims of a message each, in the order in which its first was claimed."""
    by_tenant: dict[str, list[Claimed]] = {}
    for claim in claims:
        by_tenant.setdefault(claim.tenant_id, []).append(claim)
    rounds = max(map(len, by_tenant.values()), default=0)
    for start in range(0, rounds, CARRIED):
        yield from (rows for own in by_tenant.values() if (rows := own[start : start + CARRIED]))
