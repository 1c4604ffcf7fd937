"""A scheduled run: one `now`, one heartbeat row, its counts as a log line and as metrics."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime

from nolapse.runtime.bootstrap import Runtime, runtime
from nolapse.runtime.observability import correlated, logger, publish
from nolapse.storage.statements import statement

Counts = Mapping[str, int | str]


def recorded(function: str, work: Callable[[Runtime, datetime], Counts]) -> dict[str, int | str]:
    """Run `work(runtime, now)` between the heartbeat's beginning and its end; returns the counts."""
    made = runtime()
    now = made.clock.now()
    with made.engine.begin() as connection:
        run_id = connection.scalar(statement("begin_run"), {"function": function, "now": now})
    with correlated(str(run_id)):
        counts = dict(work(made, now))
        with made.engine.begin() as connection:
            connection.execute(
                statement("finish_run"),
                {"run_id": run_id, "now": made.clock.now(), "counts": json.dumps(counts)},
            )
        logger().info("run.finished", function=function, run_id=str(run_id), counts=counts)
    made.meter.flush(made.engine)
    publish(function, {name: value for name, value in counts.items() if isinstance(value, int)})
    return counts
