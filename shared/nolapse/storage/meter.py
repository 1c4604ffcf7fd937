"""Durations observed in this instance, until a flush adds them to PostgreSQL's totals: one statement, however many.

Histograms as Prometheus has them (https://prometheus.io/docs/concepts/metric_types/#histogram); their bounds, in
seconds, are part of what is stored: whoever changes some empties the metric's totals in a migration.
"""

import json
import random
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from nolapse.storage.statements import NAME, statement

SLOTS = 8
QUERY, REQUEST = "db_query_duration_seconds", "http_request_duration_seconds"
DELIVERY, LATENESS = "message_delivery_duration_seconds", "message_lateness_seconds"
BOUNDS: Mapping[str, Sequence[float]] = {
    QUERY: (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
    REQUEST: (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    DELIVERY: (1, 5, 15, 30, 60, 120, 300, 900, 3600),
    LATENESS: (0, 60, 300, 900, 3600, 14400, 86400, 604800),
}
# Text that has no name of its own.
INLINE = "inline"

Series = tuple[str, str]


class Meter:
    def __init__(self) -> None:
        self._lock = Lock()
        self._slot = random.randrange(SLOTS)
        self._series: dict[Series, tuple[list[int], float]] = {}

    def observe(self, metric: str, seconds: float, **labels: str) -> None:
        bounds = BOUNDS[metric]
        buckets = [0] * (len(bounds) + 1)
        buckets[bisect_left(bounds, seconds)] = 1
        with self._lock:
            self._add((metric, json.dumps(labels, sort_keys=True)), buckets, seconds)

    def flush(self, engine: Engine) -> None:
        """What can't be added now is kept for the next flush."""
        with self._lock:
            series, self._series = self._series, {}
        if not series:
            return
        try:
            with engine.begin() as connection:
                connection.execute(
                    statement("add_totals"),
                    {
                        "slot": self._slot,
                        "metrics": [metric for metric, _ in series],
                        "labels": [labels for _, labels in series],
                        "sizes": [len(buckets) for buckets, _ in series.values()],
                        "buckets": [number for buckets, _ in series.values() for number in buckets],
                        "totals": [total for _, total in series.values()],
                    },
                )
        except (DBAPIError, OSError):
            with self._lock:
                for key, (buckets, total) in series.items():
                    self._add(key, buckets, total)

    def _add(self, key: Series, buckets: list[int], total: float) -> None:
        before, so_far = self._series.get(key, ([0] * len(buckets), 0.0))
        self._series[key] = ([old + new for old, new in zip(before, buckets, strict=True)], so_far + total)


def watch(engine: Engine, meter: Meter, slow: Callable[[str, float], None], *, slow_seconds: float) -> None:
    """Every statement of `engine` is metered; `slow` hears the name and the seconds of each that takes too long."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(connection: Any, *_: Any) -> None:
        connection.info["statement_began"] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def end(connection: Any, _cursor: Any, _text: str, _parameters: Any, context: Any, _many: bool) -> None:
        seconds = time.perf_counter() - connection.info["statement_began"]
        name = context.execution_options.get(NAME, INLINE)
        meter.observe(QUERY, seconds, statement=name)
        if seconds > slow_seconds:
            slow(name, seconds)
