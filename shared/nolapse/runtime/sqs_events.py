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
            logger().warning(
                "queue.message_malformed", message_id=record["messageId"], wrong=_wrong(model, error)
            )
            failures.append({"itemIdentifier": record["messageId"]})
    return bodies, {"batchItemFailures": failures}


def _wrong(model: type[BaseModel], error: ValidationError) -> list[str]:
    """What is wrong, in our own words: a stranger's field names may hold anything."""
    places = [detail["loc"][:1] for detail in error.errors(include_input=False)]
    return [str(place[0]) if place and place[0] in model.model_fields else "body" for place in places]
