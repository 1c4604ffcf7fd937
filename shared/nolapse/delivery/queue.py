"""The queue between scan and dispatch. Messages carry ids only, sealed: no name, no address, no date of anybody."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from nolapse.domain.seals import KeyRing

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PURPOSE = "queue"
CORRELATION = "correlation_id"
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH = 10


class QueuedNotification(BaseModel):
    """What a message says: which row to send. `scheduled_at` names its partition."""

    # Built for the first message: most minutes have none to send.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    key: str = Field(pattern="^[0-9a-f]{64}$")
    scheduled_at: AwareDatetime

    @classmethod
    def opened(cls, body: str, keys: KeyRing, now: datetime) -> "QueuedNotification":
        """Raises BrokenSeal, or pydantic's ValidationError for what was sealed and says something else."""
        return cls.model_validate(keys.open(PURPOSE, body, now=now))

    def sealed(self, keys: KeyRing) -> str:
        return keys.seal(PURPOSE, self.model_dump(mode="json"))


@dataclass(frozen=True, slots=True)
class Claimed:
    idempotency_key: bytes
    scheduled_at: datetime
    tenant_id: str


class NotificationQueue:
    """An SQS standard queue; MessageGroupId makes it fair between tenants.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
    """

    def __init__(self, client: "SQSClient", url: str, keys: KeyRing) -> None:
        self._client = client
        self._url = url
        self._keys = keys

    def depth(self) -> int:
        """Messages waiting or in flight, as SQS approximates them."""
        names: Sequence[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in attributes.values())

    def send(self, claims: Sequence[Claimed], correlation_id: str) -> int:
        """Returns how many SQS refused: their rows stay QUEUED until catch-up returns them."""
        batches = (claims[start : start + BATCH] for start in range(0, len(claims), BATCH))
        return sum(self._send_batch(batch, correlation_id) for batch in batches)

    def _send_batch(self, batch: Sequence[Claimed], correlation_id: str) -> int:
        answer = self._client.send_message_batch(
            QueueUrl=self._url,
            Entries=[
                {
                    "Id": str(position),
                    "MessageBody": QueuedNotification(
                        key=claim.idempotency_key.hex(), scheduled_at=claim.scheduled_at
                    ).sealed(self._keys),
                    "MessageGroupId": claim.tenant_id,
                    "MessageAttributes": {CORRELATION: {"DataType": "String", "StringValue": correlation_id}},
                }
                for position, claim in enumerate(batch)
            ],
        )
        return len(answer.get("Failed", []))
