"""What the schedule says against what an independent recomputation says: drift is healed and reported."""

from datetime import datetime

from sqlalchemy import Engine, text

from nolapse.planning.plan import PlanReport, bounds, plan
from nolapse.storage.engine import transaction

LAST_HORIZON = text("""
SELECT CAST(counts ->> 'horizon' AS timestamptz)
FROM scheduler_heartbeat
WHERE function = 'reconcile' AND finished_at IS NOT NULL
ORDER BY started_at DESC
LIMIT 1
""")


def reconcile(
    engine: Engine, *, now: datetime, horizon_months: int, lookback_days: int
) -> tuple[PlanReport, datetime]:
    """Recompute and heal the whole base; returns the report and the horizon that is now promised."""
    with transaction(engine, "reconcile") as connection:
        promised = connection.scalar(LAST_HORIZON)
        limits = bounds(now, horizon_months=horizon_months, lookback_days=lookback_days, promised=promised)
        return plan(connection, limits), limits.horizon
