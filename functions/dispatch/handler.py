"""A batch from the e-mail queue to its people."""

from typing import Any

from nolapse.delivery.dispatch import dispatch
from nolapse.delivery.queue import QueuedNotification
from nolapse.runtime.bootstrap import runtime
from nolapse.runtime.observability import logger, publish
from nolapse.runtime.sqs_events import parse_batch


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    batch, response = parse_batch(event, QueuedNotification)
    if batch:
        made = runtime()
        provider = next(iter(made.email_providers.values()))
        counts = dispatch(made.engine, provider, made.sender, batch=batch, now=made.clock.now())
        logger().info("dispatch.finished", counts=dict(counts))
        publish("dispatch", counts)
    return response
