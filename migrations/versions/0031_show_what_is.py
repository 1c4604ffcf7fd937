"""Count what closed unsent and is never late, and show renewals of the licences and the people as they stand."""

from alembic import op

from migrations.tenancy import CURRENT_TENANT

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    count_all_that_closed()
    op.execute("DROP FUNCTION renewals_on")
    op.execute("DROP VIEW license_renewals")
    op.execute("DROP MATERIALIZED VIEW license_renewal_view")
    create_view()
    show_own_rows()
    add_what_depends_on_the_day()


def count_all_that_closed() -> None:
    op.execute("""
CREATE OR REPLACE FUNCTION fold_messages(
  most bigint, delivery_bounds double precision[], lateness_bounds double precision[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  since bigint;
  until bigint;
BEGIN
  -- of two scrapes at a time, one counts
  SELECT audit_seq INTO since FROM metric_folded FOR UPDATE SKIP LOCKED;
  SELECT max(seq) INTO until FROM audit_log WHERE seq > since AND seq <= since + most;
  IF until IS NULL THEN
    RETURN;
  END IF;
  WITH moved AS (
    SELECT decode(substr(subject, length('notification:') + 1), 'hex') AS key, from_status, to_status, at
    FROM audit_log
    WHERE seq > since AND seq <= until AND action = 'notification.transition'
      AND (to_status IN ('SENT', 'DEFERRED', 'BOUNCED') OR (from_status, to_status) = ('PENDING', 'LATE_PENDING')
        -- what is of no use after its window, and what was found closed too long after, is never late
        OR ((from_status, to_status) = ('PENDING', 'SUPPRESSED')
          AND reason IN ('its window closed unsent', 'window closed before the lookback')))
  ),
  told AS MATERIALIZED (
    SELECT
      from_status, to_status,
      CASE WHEN to_status IN ('LATE_PENDING', 'SUPPRESSED') THEN '{}' ELSE jsonb_build_object(
        'channel', coalesce(attempt.channel, 'none'), 'provider', coalesce(attempt.provider, 'none')) END AS labels,
      extract(epoch FROM at - schedule.claimed_at) AS delivery, extract(epoch FROM at - schedule.window_end) AS lateness
    FROM moved
    LEFT JOIN LATERAL (
      SELECT channel, provider, scheduled_at FROM notification_outbox
      WHERE idempotency_key = key ORDER BY attempt_number DESC LIMIT 1
    ) AS attempt ON true
    LEFT JOIN LATERAL (
      SELECT claimed_at, window_end FROM notification_schedule
      WHERE idempotency_key = key AND scheduled_at = attempt.scheduled_at
    ) AS schedule ON true
  ),
  counted AS (
    SELECT
      CASE to_status
        WHEN 'SENT' THEN 'messages_sent' WHEN 'DEFERRED' THEN 'messages_failed' WHEN 'BOUNCED' THEN 'messages_failed'
        ELSE 'missed_windows'
      END AS metric,
      CASE WHEN to_status IN ('DEFERRED', 'BOUNCED') THEN labels || jsonb_build_object('status', to_status)
        ELSE labels END AS labels
    FROM told
  ),
  observed AS (
    SELECT 'message_delivery_duration_seconds' AS metric, labels, delivery_bounds AS bounds, greatest(0, delivery) AS value
    FROM told WHERE to_status = 'SENT' AND delivery IS NOT NULL
    UNION ALL
    SELECT 'message_lateness_seconds', labels, lateness_bounds, greatest(0, lateness)
    FROM told WHERE to_status = 'SENT' AND lateness IS NOT NULL
  ),
  binned AS (
    SELECT metric, labels, bounds, count(*) AS number, sum(value) AS total,
      (SELECT count(*) FROM unnest(bounds) AS bound WHERE bound < value) AS bin
    FROM observed GROUP BY metric, labels, bounds, bin
  )
  INSERT INTO metric_total AS before (metric, labels, slot, buckets, total)
  SELECT metric, labels, 0, ARRAY[count(*)], 0 FROM counted GROUP BY metric, labels
  UNION ALL
  SELECT
    metric, labels, 0,
    ARRAY(
      SELECT coalesce((
        SELECT number FROM binned AS own
        WHERE (own.metric, own.labels, own.bin) = (series.metric, series.labels, place)
      ), 0)
      FROM generate_series(0, cardinality(series.bounds)) AS place ORDER BY place
    ),
    sum(total)
  FROM binned AS series GROUP BY metric, labels, bounds
  ON CONFLICT (metric, labels, slot) DO UPDATE SET
    buckets = ARRAY(
      SELECT old + new FROM unnest(before.buckets, excluded.buckets) WITH ORDINALITY AS pair (old, new, place)
      ORDER BY place
    ),
    total = before.total + excluded.total;
  UPDATE metric_folded SET audit_seq = until;
END $$
""")


def create_view() -> None:
    op.execute("""
CREATE MATERIALIZED VIEW license_renewal_view AS
SELECT
  licenses.tenant_id, licenses.license_id, licenses.clinician_id, license_type, state, expires_on, status,
  next_notification_at,
  coalesce(told, false) AS told,
  coalesce(failed, false) AS failed,
  answer
FROM licenses
LEFT JOIN (
  SELECT
    license_id, occurrence,
    min(scheduled_at) FILTER (WHERE status IN ('PENDING', 'LATE_PENDING', 'QUEUED')) AS next_notification_at,
    bool_or(status IN ('SENT', 'DELIVERED')) AS told,
    (array_agg(status ORDER BY scheduled_at DESC)
      FILTER (WHERE status IN ('SENT', 'DELIVERED', 'BOUNCED', 'DEFERRED')))[1] IN ('BOUNCED', 'DEFERRED') AS failed
  FROM notification_schedule
  WHERE license_id IS NOT NULL
  GROUP BY license_id, occurrence
) AS said ON (said.license_id, said.occurrence) = (licenses.license_id, to_char(expires_on, 'YYYY-MM-DD'))
LEFT JOIN (
  SELECT DISTINCT ON (license_id, occurrence) license_id, occurrence, answer
  FROM acknowledgements
  ORDER BY license_id, occurrence, at DESC
) AS answered ON (answered.license_id, answered.occurrence) = (licenses.license_id, to_char(expires_on, 'YYYY-MM-DD'))
WHERE deleted_at IS NULL
""")
    for column, comment in {
        "expires_on": "the date that it says what was told and answered of",
        "told": "a reminder of this date left, and did not come back",
        "failed": "the last that was tried reached nobody",
        "answer": "the last one about this date",
    }.items():
        op.execute(f"COMMENT ON COLUMN license_renewal_view.{column} IS '{comment}'")
    # Unique: what REFRESH … CONCURRENTLY compares by.
    op.execute(
        "CREATE UNIQUE INDEX license_renewal_view_by_license ON license_renewal_view (tenant_id, license_id)"
    )
    op.execute("GRANT SELECT, MAINTAIN ON license_renewal_view TO nolapse_engine")


def show_own_rows() -> None:
    # What is known of a date that was changed since is of no licence any more. CASE, since of an OR the planner would
    # expect that it lets one row in 200 through, and would look up a whole tenant's people one by one.
    op.execute(f"""
CREATE VIEW license_renewals WITH (security_barrier) AS
SELECT
  held.tenant_id, held.license_id, held.clinician_id, held.license_type, held.state, held.expires_on, held.status,
  held.status = 'ACTIVE' AND holder.status = 'ACTIVE' AND held.expires_on IS NOT NULL AS counts,
  next_notification_at,
  coalesce(told, false) AS told,
  coalesce(failed, false) OR num_nonnulls(email, phone, whatsapp) = 0 AS unreached,
  answer
FROM licenses AS held
JOIN clinicians AS holder USING (tenant_id, clinician_id)
LEFT JOIN license_renewal_view AS known
  ON (known.tenant_id, known.license_id, known.expires_on) = (held.tenant_id, held.license_id, held.expires_on)
WHERE held.deleted_at IS NULL AND holder.deleted_at IS NULL
  AND held.tenant_id = (SELECT {CURRENT_TENANT})
  AND CASE
    WHEN (SELECT NULLIF(current_setting('app.clinician_id', true), '')) IS NULL THEN true
    ELSE held.clinician_id = (SELECT NULLIF(current_setting('app.clinician_id', true), '')::uuid)
  END
""")  # noqa: S608
    for column, comment in {
        "counts": "an active licence of an active person, with a date to run out",
        "unreached": "the last that was tried reached nobody, or there is no address",
    }.items():
        op.execute(f"COMMENT ON COLUMN license_renewals.{column} IS '{comment}'")
    op.execute("GRANT SELECT ON license_renewals TO nolapse_api")


def add_what_depends_on_the_day() -> None:
    # As it is read. The formula: docs/architecture.md#renewals.
    op.execute("""
CREATE FUNCTION renewals_on(today date) RETURNS TABLE (
  license_id uuid, clinician_id uuid, license_type text, state text, expires_on date, status text,
  days_to_expiry integer, next_notification_at timestamptz, answer text, risk_score integer)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT
    license_id, clinician_id, license_type, state, expires_on, status, expires_on - today, next_notification_at, answer,
    CASE WHEN counts THEN least(100,
      60 * (90 - least(greatest(expires_on - today, 0), 90)) / 90
        / CASE WHEN answer IN ('RENEWED', 'IN_PROGRESS') THEN 2 ELSE 1 END
      + CASE WHEN unreached THEN 20 ELSE 0 END
      + CASE WHEN told AND answer IS NULL THEN 20 ELSE 0 END)
    ELSE 0 END
  FROM license_renewals;
END
""")
    op.execute("REVOKE ALL ON FUNCTION renewals_on FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION renewals_on TO nolapse_api")
