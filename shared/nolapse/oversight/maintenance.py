"""Keeps the ground ready that planning stands on: zone data, days off and partitions."""

from collections import Counter
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from nolapse.storage.days_off import fill_days_off
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement
from nolapse.storage.zones import load_zones

# Months beyond the horizon that always have their partition, so that a missed run of this leaves time to act.
MARGIN = timedelta(days=62)
# For so long a repeat of a request gets its first answer.
ANSWERS_KEPT = timedelta(days=7)


def maintain(engine: Engine, *, now: datetime, horizon_months: int) -> Counter[str]:
    until = now + timedelta(days=31 * horizon_months) + MARGIN
    with transaction(engine, "maintenance") as connection:
        return Counter(
            zone_offsets=load_zones(connection),
            days_off=fill_days_off(connection, now),
            partitions=connection.scalar(
                text("SELECT ensure_schedule_partitions(CAST(:now AS date), CAST(:until AS date))"),
                {"now": now, "until": until},
            ),
            answers_forgotten=connection.execute(
                statement("forget_answers"), {"before": now - ANSWERS_KEPT}
            ).rowcount,
        )
