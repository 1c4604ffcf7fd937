"""Every night: the whole schedule recomputed, compared and healed, and the horizon moved on by a day."""

from datetime import datetime
from typing import Any

from nolapse.planning.reconcile import reconcile
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("reconcile", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    report, horizon = reconcile(
        runtime.engine,
        now=now,
        horizon_months=runtime.settings.horizon_months,
        lookback_days=runtime.settings.lookback_days,
    )
    return {**report.counts, "drift": report.drift, "horizon": horizon.isoformat()}
