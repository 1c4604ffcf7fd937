"""Every night after reconcile: whether what waits for the coming days fits into its windows, a week ahead."""

from datetime import datetime
from typing import Any

from nolapse.planning.forecast import forecast
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.observability import logger
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("forecast", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    found = forecast(runtime.engine, now=now, capacity=runtime.settings.capacity)
    for tenant, channel, misfit in (*((None, *each) for each in found.misfits), *found.own_misfits):
        logger().warning(
            "window.will_not_fit",
            tenant_id=tenant and str(tenant),
            channel=channel,
            opens=misfit.demand.opens.isoformat(),
            closes=misfit.demand.closes.isoformat(),
            messages=misfit.demand.messages,
            late=misfit.late,
        )
    return found.counts
