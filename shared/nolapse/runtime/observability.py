"""Logs and metrics of every function: static event names, ids and counts in fields, never a person's data."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from nolapse.runtime.redaction import redacted

CORRELATION = "correlation_id"


@cache
def logger() -> Logger:
    return Logger(json_serializer=lambda line: json.dumps(redacted(line), default=str))


@contextmanager
def correlated(correlation_id: str) -> Iterator[None]:
    """Every line logged meanwhile, by this thread, carries it."""
    logger().thread_safe_append_keys(**{CORRELATION: correlation_id})
    try:
        yield
    finally:
        logger().thread_safe_remove_keys([CORRELATION])


def correlation_id() -> str:
    """Raises KeyError outside of `correlated`."""
    return str(logger().thread_safe_get_current_keys()[CORRELATION])


def publish(function: str, counts: Mapping[str, int]) -> None:
    """Each count as a CloudWatch metric, by function, in the embedded metric format."""
    if not counts:
        # A receipt may have settled all of a batch before its dispatcher could.
        return
    metrics = EphemeralMetrics()  # Metrics would share its counts with every other thread
    metrics.add_dimension("function", function)
    for name, count in counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    metrics.flush_metrics()
