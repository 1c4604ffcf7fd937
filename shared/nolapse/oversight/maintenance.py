"""Keeps the ground ready that planning stands on: zone data, days off and partitions; and forgets what is old."""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from nolapse.domain.retention import Retention
from nolapse.storage.days_off import fill_days_off
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement
from nolapse.storage.zones import load_zones

# Months beyond the horizon that always have their partition, so that a missed run of this leaves time to act.
MARGIN = timedelta(days=62)
# Nothing before it is expected again (expected.sql).
FORGOTTEN = text("UPDATE schedule_anchor SET until_at = greatest(until_at, :before)")


def maintain(engine: Engine, *, now: datetime, horizon_months: int, retention: Retention) -> Counter[str]:
    until = now + timedelta(days=31 * horizon_months) + MARGIN
    with transaction(engine, "maintenance") as connection:
        counts: Counter[str] = Counter(
            zone_offsets=load_zones(connection),
            days_off=fill_days_off(connection, now),
            partitions=connection.scalar(
                text("SELECT ensure_schedule_partitions(CAST(:now AS date), CAST(:until AS date))"),
                {"now": now, "until": until},
            ),
        )
    counts.update(forget(engine, retention, now=now))
    return counts


def forget(engine: Engine, retention: Retention, *, now: datetime) -> dict[str, int]:
    """Rows by table, months of the schedule as `partitions_forgotten`. Each in a transaction of its own: the schedule's
    keeps everybody from it for a moment, the audit log's keeps its writers waiting.
    """
    until = retention.until(now)
    with transaction(engine, "maintenance") as connection:
        rows = connection.execute(statement("forget_old"), until).mappings().one()
    counts = {f"{table}_forgotten": count for table, count in rows.items()}
    with transaction(engine, "maintenance") as connection:
        counts["audit_log_forgotten"] = connection.scalar(
            text("SELECT forget_audit(:before)"), {"before": until["audit_log"]}
        )
    with transaction(engine, "maintenance") as connection:
        connection.execute(FORGOTTEN, {"before": until["notification_schedule"]})
        counts["partitions_forgotten"] = connection.scalar(
            text("SELECT forget_schedule(:before)"), {"before": until["notification_schedule"]}
        )
    return counts
