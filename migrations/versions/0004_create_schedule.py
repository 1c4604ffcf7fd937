"""Create notification_schedule, partitioned by month, and the table of its legal transitions."""

from alembic import op

from migrations.tenancy import isolate

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    create_schedule()
    create_partitions()
    create_transitions()


def create_schedule() -> None:
    # The key is the identity: a row that was lost and is planned again meets its own attempts in the outbox.
    # window_start is scheduled_at under the name of the users' documents; VIRTUAL costs no byte.
    # A window is shorter than a day by the clock, and a clock set back can make it longer: 00:00 to 23:59 lasts
    # 24 h 59 min on the day that summer time ends, and 26 h 59 min in Casey on Mar 9 2023.
    # send_by: until when it may leave. 'infinity': late, and waiting for catch-up to give it a late window.
    op.execute("""
CREATE TABLE notification_schedule (
  idempotency_key  bytea       NOT NULL CHECK (octet_length(idempotency_key) = 32),
  tenant_id        uuid        NOT NULL,
  clinician_id     uuid        NOT NULL,
  license_id       uuid        NOT NULL,
  policy_id        uuid        NOT NULL,
  policy_version   integer     NOT NULL,
  attempt_count    smallint    NOT NULL DEFAULT 0,
  late             boolean     NOT NULL DEFAULT false,
  occasion_date    date        NOT NULL,
  scheduled_at     timestamptz NOT NULL,
  window_start     timestamptz GENERATED ALWAYS AS (scheduled_at) VIRTUAL,
  window_end       timestamptz NOT NULL,
  next_attempt_at  timestamptz,
  send_by          timestamptz,
  claimed_at       timestamptz,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  status           text        NOT NULL,
  occasion         text        NOT NULL CHECK (occasion IN ('LICENSE_EXPIRY')),
  event            text        NOT NULL CHECK (event IN ('PRIMARY', 'SECONDARY', 'PAST_DUE')),
  template         text        NOT NULL CHECK (template <> ''),
  reason           text,
  PRIMARY KEY (idempotency_key, scheduled_at),
  CONSTRAINT known_status CHECK (status IN (
    'PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN', 'HELD',
    'SENT', 'DELIVERED', 'BOUNCED', 'DEFERRED', 'CANCELLED', 'SUPPRESSED')),
  CONSTRAINT a_window_has_length CHECK (
    window_end > scheduled_at AND window_end < scheduled_at + interval '48 hours'),
  CONSTRAINT what_waits_has_a_deadline CHECK (
    status NOT IN ('PENDING', 'LATE_PENDING')
    OR (next_attempt_at IS NOT NULL AND send_by IS NOT NULL AND claimed_at IS NULL)),
  CONSTRAINT what_is_late_says_so CHECK (
    CASE status WHEN 'PENDING' THEN NOT late WHEN 'LATE_PENDING' THEN late ELSE true END),
  CONSTRAINT what_is_in_flight_was_claimed CHECK (
    status NOT IN ('QUEUED', 'SENDING', 'UNKNOWN', 'SENT') OR claimed_at IS NOT NULL),
  CONSTRAINT what_is_dropped_never_leaves CHECK (
    status NOT IN ('CANCELLED', 'SUPPRESSED') OR (send_by IS NULL AND reason IS NOT NULL)),
  CONSTRAINT what_a_human_sees_has_a_reason CHECK (
    status NOT IN ('HELD', 'DEFERRED') OR reason IS NOT NULL),
  FOREIGN KEY (tenant_id, clinician_id) REFERENCES clinicians (tenant_id, clinician_id),
  FOREIGN KEY (tenant_id, license_id) REFERENCES licenses (tenant_id, license_id),
  FOREIGN KEY (policy_id, policy_version) REFERENCES policy_version
) PARTITION BY RANGE (scheduled_at)
""")
    # What scan and catch-up walk. Claiming takes a row out; completing it touches no indexed column (HOT).
    op.execute("""
CREATE INDEX notification_schedule_to_send ON notification_schedule (tenant_id, send_by)
WHERE claimed_at IS NULL AND send_by IS NOT NULL
""")
    op.execute("""
CREATE INDEX notification_schedule_claimed ON notification_schedule (claimed_at) WHERE claimed_at IS NOT NULL
""")
    op.execute(
        "CREATE INDEX notification_schedule_by_license ON notification_schedule (tenant_id, license_id)"
    )
    op.execute(
        "CREATE INDEX notification_schedule_by_clinician ON notification_schedule (tenant_id, clinician_id)"
    )
    op.execute(
        "CREATE INDEX notification_schedule_by_policy ON notification_schedule (policy_id, policy_version)"
    )
    isolate("notification_schedule")


def create_partitions() -> None:
    # LIKE + ATTACH instead of PARTITION OF: readers and writers of the parent are not locked out.
    op.execute("""
CREATE FUNCTION ensure_schedule_partitions(first date, until date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
  month   date;
  leaf    text;
  created integer := 0;
BEGIN
  -- Nearly always all of them are there: then nobody waits for anybody.
  IF NOT EXISTS (
    SELECT FROM generate_series(date_trunc('month', greatest(first, '2026-01-01')), until, '1 month') AS wanted
    WHERE to_regclass(to_char(wanted, '"notification_schedule_"YYYY_MM')) IS NULL
  ) THEN
    RETURN 0;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('ensure_schedule_partitions'));
  FOR month IN
    SELECT generate_series(date_trunc('month', greatest(first, '2026-01-01')), until, '1 month')::date
  LOOP
    leaf := to_char(month, '"notification_schedule_"YYYY_MM');
    CONTINUE WHEN to_regclass(leaf) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE notification_schedule INCLUDING ALL) WITH (fillfactor = 70)', leaf);
    EXECUTE format('ALTER TABLE notification_schedule ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
      leaf, month::timestamptz, (month + interval '1 month')::timestamptz);
    created := created + 1;
  END LOOP;
  RETURN created;
END $$
""")
    op.execute("REVOKE ALL ON FUNCTION ensure_schedule_partitions FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION ensure_schedule_partitions TO nolapse_engine")
    op.execute("""
CREATE TABLE notification_schedule_past PARTITION OF notification_schedule
FOR VALUES FROM (MINVALUE) TO ('2026-01-01 00:00+00') WITH (fillfactor = 70)
""")
    op.execute("SELECT ensure_schedule_partitions('2026-01-01', (now() + interval '15 months')::date)")


def create_transitions() -> None:
    op.execute("""
CREATE TABLE notification_transition (
  from_status text NOT NULL,
  to_status   text NOT NULL,
  PRIMARY KEY (from_status, to_status)
)
""")
    op.execute("""
INSERT INTO notification_transition (from_status, to_status)
SELECT from_status, unnest(to_statuses) FROM (VALUES
  ('PENDING',      ARRAY['QUEUED', 'LATE_PENDING', 'CANCELLED', 'SUPPRESSED']),
  ('LATE_PENDING', ARRAY['QUEUED', 'CANCELLED', 'SUPPRESSED']),
  ('QUEUED',       ARRAY['SENDING', 'PENDING', 'LATE_PENDING']),
  ('SENDING',      ARRAY['SENT', 'PENDING', 'LATE_PENDING', 'UNKNOWN', 'DEFERRED']),
  ('UNKNOWN',      ARRAY['SENT', 'PENDING', 'LATE_PENDING', 'DEFERRED', 'HELD']),
  ('HELD',         ARRAY['SENT', 'PENDING', 'LATE_PENDING', 'CANCELLED']),
  ('SENT',         ARRAY['DELIVERED', 'BOUNCED']),
  ('CANCELLED',    ARRAY['PENDING', 'LATE_PENDING', 'SUPPRESSED'])
) AS legal (from_status, to_statuses)
""")
    op.execute("GRANT SELECT ON notification_transition TO nolapse_engine, nolapse_api")
