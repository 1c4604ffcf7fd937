"""Every night: the whole schedule recomputed, compared and healed, and the horizon moved on by a day."""

from datetime import datetime
from typing import Any

from nolapse.planning.reconcile import reconcile
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.observability import logger
from nolapse.runtime.runs import Counts, recorded


def handler(event: dict[str, Any], context: Any) -> Counts:
    return recorded("reconcile", run)


def run(runtime: Runtime, now: datetime) -> Counts:
    report = reconcile(
        runtime.engine,
        now=now,
        horizon_months=runtime.settings.horizon_months,
        lookback_days=runtime.settings.lookback_days,
    )
    for finding in report.findings:
        logger().warning(
            "reconcile.found",
            kind=finding.kind, found=finding.found, healed=finding.healed, held=finding.held,
            subjects=finding.subjects,
        )  # fmt: skip
    return report.counts
