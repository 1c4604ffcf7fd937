"""Every day before reconcile: the zone table follows the pinned tzdata, coming months get their partitions."""

from datetime import datetime
from typing import Any

from nolapse.oversight.maintenance import maintain
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("maintenance", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    return maintain(runtime.engine, now=now, horizon_months=runtime.settings.horizon_months)
