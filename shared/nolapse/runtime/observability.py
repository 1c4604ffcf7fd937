"""Logs and metrics of every function: static event names, ids and counts in fields, never a person's data."""

from collections.abc import Mapping
from functools import cache

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit


@cache
def logger() -> Logger:
    return Logger()


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
