"""Every minute: due notifications onto the queue."""

from datetime import datetime
from typing import Any

from nolapse.delivery.scan import scan
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.observability import correlation_id
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("scan", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    limit = runtime.settings.scan_limit
    return scan(
        runtime.engine,
        runtime.email_queue,
        runtime.flags,
        now=now,
        limit=limit,
        correlation_id=correlation_id(),
    )
