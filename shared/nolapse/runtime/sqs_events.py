"""SQS batches as Lambda hands them over, and the answer that names what must come back.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from nolapse.delivery.queue import CORRELATION, CORRELATION_ID
from nolapse.domain.seals import BrokenSeal
from nolapse.runtime.observability import logger, publish

Body = TypeVar("Body")


def correlation_ids(event: dict[str, Any]) -> str:
    """Of the requests, else runs, that a batch's messages come from. They are not sealed: what is no id is left out."""
    given = {
        each
        for record in event["Records"]
        for each in record.get("messageAttributes", {}).get(CORRELATION, {}).get("stringValue", "").split(",")
    }
    return ",".join(sorted(each for each in given if CORRELATION_ID.fullmatch(each)))


def open_batch(
    event: dict[str, Any], open_body: Callable[[str], Body], *, function: str
) -> tuple[Sequence[Body], dict[str, Any]]:
    """What is ours and well-formed, and the response that leaves the rest to the dead-letter queue, alarm included."""
    bodies: list[Body] = []
    failures: list[dict[str, str]] = []
    for record in event["Records"]:
        try:
            bodies.append(open_body(record["body"]))
        except (BrokenSeal, ValidationError) as error:
            # Its kind alone: a stranger's message may say anything.
            logger().error("queue.message_refused", message_id=record["messageId"], kind=type(error).__name__)
            failures.append({"itemIdentifier": record["messageId"]})
    if failures:
        publish(function, {"messages_refused": len(failures)})
    return bodies, {"batchItemFailures": failures}
