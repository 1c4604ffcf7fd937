"""Create scheduler_heartbeat and zone_offset: that runs happen, and what local time means."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
CREATE TABLE scheduler_heartbeat (
  run_id       uuid        PRIMARY KEY DEFAULT uuidv7(),
  function     text        NOT NULL CHECK (function <> ''),
  started_at   timestamptz NOT NULL,
  finished_at  timestamptz,
  counts       jsonb       NOT NULL DEFAULT '{}'
)
""")
    op.execute("COMMENT ON COLUMN scheduler_heartbeat.finished_at IS 'NULL: still running, or it failed'")
    op.execute("CREATE INDEX scheduler_heartbeat_latest ON scheduler_heartbeat (function, started_at DESC)")
    # A person's zone must be one that the planner can convert: a foreign key, so no reminder falls out of a join.
    op.execute("CREATE TABLE zone (zone text PRIMARY KEY)")
    for table in ("tenants", "clinicians"):
        op.execute(f"ALTER TABLE {table} ADD FOREIGN KEY (timezone) REFERENCES zone")
        op.execute(f"CREATE INDEX {table}_by_timezone ON {table} (timezone)")
    # A zone's offset from UTC in local time: [local_from, local_until) -> utc_offset, gapless per zone.
    op.execute("""
CREATE TABLE zone_offset (
  zone             text      NOT NULL REFERENCES zone DEFERRABLE INITIALLY DEFERRED,
  local_from       timestamp NOT NULL,
  local_until      timestamp NOT NULL CHECK (local_until > local_from),
  utc_offset       interval  NOT NULL,
  tzdata_version   text      NOT NULL,
  PRIMARY KEY (zone, local_from)
)
""")
    op.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON scheduler_heartbeat, zone, zone_offset TO nolapse_engine"
    )
    op.execute("GRANT SELECT ON scheduler_heartbeat, zone, zone_offset TO nolapse_api")
