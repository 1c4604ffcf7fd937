"""A batch from the e-mail queue to its people."""

from itertools import chain
from typing import Any

from nolapse.delivery.dispatch import dispatch
from nolapse.delivery.queue import open_message
from nolapse.runtime.bootstrap import runtime
from nolapse.runtime.observability import correlated, logger, publish
from nolapse.runtime.sqs_events import correlation_ids, open_batch


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with correlated(correlation_ids(event)):
        return handle(event)


def handle(event: dict[str, Any]) -> dict[str, Any]:
    made = runtime()
    now = made.clock.now()
    messages, response = open_batch(
        event, lambda body: open_message(body, made.key_ring, now), function="dispatch"
    )
    if messages:
        batch = list(chain.from_iterable(messages))
        counts = dispatch(made.engine, made.outlets, made.sender, made.dispatch_rules, batch=batch, now=now)
        logger().info("dispatch.finished", counts=dict(counts))
        made.meter.flush(made.engine)
        publish("dispatch", counts)
    return response
