"""A batch from the e-mail queue to its people."""

from typing import Any

from nolapse.delivery.dispatch import dispatch
from nolapse.delivery.queue import QueuedNotification
from nolapse.runtime.bootstrap import runtime
from nolapse.runtime.observability import correlated, logger, publish
from nolapse.runtime.sqs_events import correlation_ids, open_batch


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with correlated(correlation_ids(event)):
        return handle(event)


def handle(event: dict[str, Any]) -> dict[str, Any]:
    made = runtime()
    now = made.clock.now()
    batch, response = open_batch(
        event, lambda body: QueuedNotification.opened(body, made.key_ring, now), function="dispatch"
    )
    if batch:
        counts = dispatch(made.engine, made.outlets, made.sender, made.dispatch_rules, batch=batch, now=now)
        logger().info("dispatch.finished", counts=dict(counts))
        made.meter.flush(made.engine)
        publish("dispatch", counts)
    return response
