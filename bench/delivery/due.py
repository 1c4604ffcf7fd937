"""A database in which one reminder of each licence is due now, planned by the product."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, text

from local.databases import recreate
from local.postgres import PORT, Postgres
from nolapse.planning.plan import bounds, plan
from nolapse.storage.engine import Credentials, create_engine

PLANNED_AT = datetime(2026, 10, 26, tzinfo=UTC)
# The PRIMARY reminders of 26 January 2027, 90 days ahead, in New York's morning.
NOW = datetime(2026, 10, 28, 12, 5, tzinfo=UTC)
TENANTS = 20
DATABASE = "bench"

FILL = (
    """
INSERT INTO tenants (slug, name, timezone, contact_email)
SELECT 'tenant-' || number, 'Tenant ' || number, 'America/New_York', 'desk@tenant.test'
FROM generate_series(1, :tenants) AS number
""",
    """
INSERT INTO clinicians (tenant_id, external_id, full_name, email)
SELECT tenant_id, CAST(person AS text), 'Ada ' || person, 'ada' || person || '@clinic.test'
FROM generate_series(1, :rows) AS person
JOIN tenants ON slug = 'tenant-' || 1 + mod(person, :tenants)
""",
    """
INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)
SELECT tenant_id, clinician_id, 'RN', 'NY', 'RN-' || external_id, '2027-01-26' FROM clinicians
""",
)


@dataclass(frozen=True, slots=True)
class Base:
    postgres: Postgres
    engine: Engine
    rows: int

    def count(self, status: str) -> int:
        with self.engine.connect() as connection:
            found = connection.scalar(
                text("SELECT count(*) FROM notification_schedule WHERE status = :status"), {"status": status}
            )
        return found or 0


@contextmanager
def base(postgres: Postgres, rows: int) -> Iterator[Base]:
    recreate(postgres, DATABASE)
    owner, engine = postgres.engine(DATABASE), postgres.engine(DATABASE, "nolapse_engine")
    try:
        with owner.begin() as connection:
            for step in FILL:
                connection.execute(text(step), {"tenants": TENANTS, "rows": rows})
        with engine.begin() as connection:
            plan(connection, bounds(PLANNED_AT, horizon_months=13, lookback_days=14))
        with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        yield Base(postgres, engine, rows)
    finally:
        owner.dispose()
        engine.dispose()


def connect(socket: str) -> Engine:
    return create_engine(
        host=socket,
        port=PORT,
        database=DATABASE,
        verify_tls=False,
        credentials=lambda: Credentials("nolapse_engine", "unused: the socket trusts"),
    )
