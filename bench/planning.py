"""Planning against its floor, in one run: `make bench NAME=planning` prints one figure a line, `name value`.

The floor is what the same rows cost without any thought: one INSERT … SELECT of ready rows into the same indexed and
partitioned table. The bare computation is the expected rows counted and not stored. Ratios of medians; seconds depend
on the machine and are printed for orientation only.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import Engine, text

from local.databases import recreate
from local.postgres import Postgres, start_postgres
from nolapse.planning.plan import bounds, plan
from nolapse.planning.reconcile import reconcile
from nolapse.storage.statements import statement
from nolapse.storage.whole_tables import whole_tables

NOW = datetime(2026, 10, 26, tzinfo=UTC)
LIMITS = bounds(NOW, horizon_months=13, lookback_days=14)
SIZES = {"50k": 50_000, "500k": 500_000}
ROUNDS = 3
TENANTS = 20

PEOPLE = text("""
WITH tenant AS (
  INSERT INTO tenants (slug, name, timezone, contact_email)
  SELECT 'tenant-' || number, 'Tenant', 'America/New_York', 'desk@tenant.test'
  FROM generate_series(1, :tenants) AS number
  RETURNING tenant_id
),
numbered AS (SELECT tenant_id, row_number() OVER () AS number FROM tenant)
INSERT INTO clinicians (tenant_id, external_id, full_name, timezone)
SELECT
  tenant_id, CAST(person AS text), 'Somebody',
  (ARRAY['America/Los_Angeles', 'America/Chicago', 'America/Denver', 'America/Phoenix', NULL])[1 + mod(person, 5)]
FROM generate_series(1, :count) AS person
JOIN numbered ON number = 1 + mod(person, :tenants)
""")
# Every licence has its three windows between now and the horizon.
LICENSES = text("""
INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)
SELECT tenant_id, clinician_id, 'RN', 'CA', external_id, date '2027-01-26' + mod(CAST(external_id AS integer), 280)
FROM clinicians
""")
COLUMNS = """idempotency_key, tenant_id, clinician_id, license_id, person_date_id, medication_id, policy_id,
  policy_version, attempt_count, late, occurrence, occasion_date, channels, perishable, unless_event, scheduled_at,
  window_end, next_attempt_at, send_by, claimed_at, created_at, updated_at, status, occasion, event, template, reason"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        postgres = start_postgres(Path(folder, "postgres"))
        for label, count in SIZES.items():
            measure(postgres, label, count)
    print(f"own_process_peak_mb {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


def measure(postgres: Postgres, label: str, count: int) -> None:
    recreate(postgres, "bench")
    owner, engine = postgres.engine("bench"), postgres.engine("bench", "nolapse_engine")
    with owner.begin() as connection:
        connection.execute(PEOPLE, {"tenants": TENANTS, "count": count})
        connection.execute(LICENSES)
    vacuum(owner)
    plan_once(engine)
    keep_rows(owner)
    planning, floor = [], []
    for _ in range(ROUNDS):
        empty(owner)
        floor.append(timed(lambda: insert_ready_rows(engine)))
        empty(owner)
        planning.append(timed(lambda: plan_once(engine)))
    vacuum(owner)
    replanning = [timed(lambda: plan_once(engine)) for _ in range(ROUNDS)]
    promise(engine)
    computing = [timed(lambda: compute(engine)) for _ in range(ROUNDS)]
    reconciling = [timed(lambda: reconcile_once(engine)) for _ in range(ROUNDS)]
    print(f"rows_{label} {count * 3}")
    print(f"plan_seconds_{label} {median(planning):.2f}")
    print(f"floor_seconds_{label} {median(floor):.2f}")
    print(f"plan_over_floor_{label} {median(planning) / median(floor):.2f}")
    print(f"replan_over_floor_{label} {median(replanning) / median(floor):.2f}")
    print(f"reconcile_over_compute_{label} {median(reconciling) / median(computing):.2f}")
    sys.stdout.flush()
    owner.dispose()
    engine.dispose()


def plan_once(engine: Engine) -> None:
    with engine.begin() as connection:
        plan(connection, LIMITS)


def reconcile_once(engine: Engine) -> None:
    reconcile(engine, now=NOW, horizon_months=13, lookback_days=14)


def promise(engine: Engine) -> None:
    """As the heartbeat of a complete run: how far rows are stored."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO scheduler_heartbeat (function, started_at, finished_at, counts)"
                " VALUES ('reconcile', :now, :now, jsonb_build_object('horizon', CAST(:horizon AS timestamptz)))"
            ),
            {"now": NOW, "horizon": LIMITS.horizon},
        )


def compute(engine: Engine) -> None:
    with engine.begin() as connection, whole_tables(connection):
        connection.execute(
            # Materialized, or a count would spare itself the columns.
            text(
                f"WITH {statement('expected').text}, every_column AS MATERIALIZED (SELECT * FROM expected)"
                " SELECT count(*) FROM every_column"
            ),
            {
                "now": NOW,
                "horizon": LIMITS.horizon,
                "late_since": LIMITS.late_since,
                "tenant_id": None,
                "clinician_ids": None,
                "drafts": [],
            },
        )


def insert_ready_rows(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO notification_schedule ({COLUMNS}) SELECT {COLUMNS} FROM ready"))


def keep_rows(owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text("CREATE TABLE ready AS SELECT * FROM notification_schedule"))
        connection.execute(text("ALTER TABLE ready OWNER TO nolapse_engine"))
        connection.execute(text("ANALYZE ready"))


def empty(owner: Engine) -> None:
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("TRUNCATE notification_schedule"))
        connection.execute(text("CHECKPOINT"))


def vacuum(owner: Engine) -> None:
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


def timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
