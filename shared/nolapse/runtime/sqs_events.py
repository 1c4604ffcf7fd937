"""SQS batches as Lambda hands them over, and the answer that names what must come back.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nolapse.runtime.observability import logger

Body = TypeVar("Body", bound=BaseModel)


def parse_batch(event: dict[str, Any], model: type[Body]) -> tuple[Sequence[Body], dict[str, Any]]:
    """The bodies that are well-formed, and the response that leaves the others to the dead-letter queue."""
    bodies: list[Body] = []
    failures: list[dict[str, str]] = []
    for record in event["Records"]:
        try:
            bodies.append(model.model_validate_json(record["body"]))
        except ValidationError as error:
            wrong = [
                ".".join(map(str, detail["loc"])) or "body" for detail in error.errors(include_input=False)
            ]
            logger().warning("queue.message_malformed", message_id=record["messageId"], fields=wrong)
            failures.append({"itemIdentifier": record["messageId"]})
    return bodies, {"batchItemFailures": failures}
