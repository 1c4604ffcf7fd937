"""The queue between scan and dispatch. Messages carry ids only: no name, no address, no date of anybody."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
BATCH = 10


class QueuedNotification(BaseModel):
    """The body of a message: which row to send. `scheduled_at` names its partition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern="^[0-9a-f]{64}$")
    scheduled_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Claimed:
    idempotency_key: bytes
    scheduled_at: datetime
    tenant_id: str


class NotificationQueue:
    """An SQS standard queue; MessageGroupId makes it fair between tenants.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
    """

    def __init__(self, client: "SQSClient", url: str) -> None:
        self._client = client
        self._url = url

    def depth(self) -> int:
        """Messages waiting or in flight, as SQS approximates them."""
        names: Sequence[Any] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        return sum(int(value) for value in attributes.values())

    def send(self, claims: Sequence[Claimed]) -> int:
        """Returns how many SQS refused: their rows stay QUEUED until catch-up returns them."""
        return sum(self._send_batch(claims[start : start + BATCH]) for start in range(0, len(claims), BATCH))

    def _send_batch(self, batch: Sequence[Claimed]) -> int:
        answer = self._client.send_message_batch(
            QueueUrl=self._url,
            Entries=[
                {
                    "Id": str(position),
                    "MessageBody": json.dumps(
                        {"key": claim.idempotency_key.hex(), "scheduled_at": claim.scheduled_at.isoformat()}
                    ),
                    "MessageGroupId": claim.tenant_id,
                }
                for position, claim in enumerate(batch)
            ],
        )
        return len(answer.get("Failed", []))
