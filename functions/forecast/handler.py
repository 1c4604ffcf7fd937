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
    # Scan runs every minute and lets no more than scan_limit messages lie ahead of the senders: none leave faster.
    limits = runtime.settings
    capacity = {
        "EMAIL": min(limits.scan_limit, limits.email_per_minute),
        "SMS": min(limits.scan_limit, limits.sms_per_minute),
        "WHATSAPP": min(limits.scan_limit, limits.whatsapp_per_minute),
        "WEBHOOK": min(limits.scan_limit, limits.webhook_per_minute),
    }
    found = forecast(runtime.engine, now=now, capacity=capacity)
    for channel, misfit in found.misfits:
        logger().warning(
            "window.will_not_fit",
            channel=channel,
            opens=misfit.demand.opens.isoformat(),
            closes=misfit.demand.closes.isoformat(),
            messages=misfit.demand.messages,
            late=misfit.late,
        )
    return found.counts
