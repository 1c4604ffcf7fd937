"""Every hour: a slice of the people against the pure twin, and everybody's windows that are about to close unsent."""

from datetime import datetime
from typing import Any

from nolapse.oversight.watchdog import watch
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.observability import logger
from nolapse.runtime.runs import Counts, recorded

# A log line names some; the metric counts all.
MOST_KEYS = 50


def handler(event: dict[str, Any], context: Any) -> Counts:
    """`{"everybody": true}`, by hand: all people at once."""

    def run(runtime: Runtime, now: datetime) -> Counts:
        report = watch(runtime.engine, now=now, everybody=event.get("everybody", False))
        for alarm, keys in report.alarms.items():
            if keys:
                logger().error("watchdog.alarm", alarm=alarm, notifications=keys[:MOST_KEYS], count=len(keys))
        return report.counts

    return recorded("watchdog", run)
