"""S3's event notifications: what is put into a bucket invokes the function that the template names.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html
"""

import json
import logging
from threading import Event
from typing import TYPE_CHECKING, Any, cast

from local.lambda_runtime import FunctionError, Functions
from local.template import BucketTrigger, Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import EventType
    from mypy_boto3_s3.type_defs import QueueConfigurationTypeDef
    from mypy_boto3_sqs import SQSClient

_LONG_POLL_SECONDS = 1

log = logging.getLogger(__name__)


class BucketSource:
    """moto's S3 tells a queue beside the template's: a function it would run in a container.

    A run that fails is logged and not tried again, as Lambda would twice: whoever sent the object sends it again.
    """

    def __init__(
        self, trigger: BucketTrigger, stack: Stack, functions: Functions, s3: "S3Client", sqs: "SQSClient"
    ) -> None:
        self._trigger = trigger
        self._functions = functions
        self._sqs = sqs
        bucket = stack.ref(trigger.bucket)
        self._url = sqs.create_queue(QueueName=f"{stack.ref(trigger.function)}-told")["QueueUrl"]
        about = sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        told: QueueConfigurationTypeDef = {
            "QueueArn": about["Attributes"]["QueueArn"],
            "Events": [cast("EventType", trigger.event)],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": trigger.prefix}]}},
        }
        s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [told]}
        )

    def poll_once(self, wait_seconds: int = 0) -> list[FunctionError]:
        """Invokes the function for each object of which S3 told; gives what failed."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
        )
        failed = []
        for message in answer.get("Messages", []):
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
            told = json.loads(message["Body"])
            # S3 says once to a new queue that it will tell it: a test event, which has none.
            for record in told.get("Records", []):
                try:
                    event = {"Records": [_whole(record, message["MessageId"])]}
                    self._functions.invoke(self._trigger.function, event)
                except FunctionError as error:
                    failed.append(error)
        return failed

    def run(self, stop: Event) -> None:
        """Poll until `stop` is set."""
        while not stop.is_set():
            for error in self.poll_once(_LONG_POLL_SECONDS):
                log.error("function failed", extra={"function": error.function}, exc_info=error)


def _whole(record: dict[str, Any], request_id: str) -> dict[str, Any]:
    """With what moto leaves out.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    s3 = record["s3"]
    owner = {"principalId": "local"}
    return {
        **record,
        "userIdentity": {"principalId": "AWS:local"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": request_id, "x-amz-id-2": request_id},
        "s3": {
            **s3,
            "bucket": {**s3["bucket"], "ownerIdentity": owner},
            "object": {**s3["object"], "sequencer": request_id.replace("-", "").upper()[:18]},
        },
    }
