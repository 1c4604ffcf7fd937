"""How many messages lie on the queues, as SQS approximates them.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, ConfigDict

from nolapse.domain.errors import NolapseError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class QueueUnreachable(NolapseError):
    """SQS did not answer, or has no such queue."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"the queue {queue} can't be asked")
        self.queue = queue


class Depth(BaseModel):
    model_config = ConfigDict(defer_build=True)

    queue: str
    visible: int
    in_flight: int
    delayed: int


def depths(client: "SQSClient", urls: Sequence[str]) -> list[Depth]:
    """Raises QueueUnreachable."""
    return [_depth(client, url) for url in urls]


def _depth(client: "SQSClient", url: str) -> Depth:
    name = url.rpartition("/")[2]
    try:
        answer = client.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )
    except (BotoCoreError, ClientError):
        raise QueueUnreachable(name) from None
    held = answer["Attributes"]
    return Depth(
        queue=name,
        visible=int(held["ApproximateNumberOfMessages"]),
        in_flight=int(held["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(held["ApproximateNumberOfMessagesDelayed"]),
    )
