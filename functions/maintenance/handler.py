"""Every day before reconcile: the zone table follows the pinned tzdata, coming months get their partitions, what
is old is forgotten.
"""

from datetime import datetime
from typing import Any

from nolapse.oversight.maintenance import maintain
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("maintenance", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    settings = runtime.settings
    return maintain(
        runtime.engine, now=now, horizon_months=settings.horizon_months, retention=settings.retention
    )
