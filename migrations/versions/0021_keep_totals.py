"""Keep totals for metrics: what many short-lived instances observed, added up in one place.

Requests and statements are added by whoever saw them. What became of messages is not observed but read: the audit log
has every transition once, in the order of commits and without a gap, so `fold_messages` counts from where it ended.
"""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    op.execute("""
CREATE TABLE metric_total (
  metric   text             NOT NULL CHECK (metric <> ''),
  labels   jsonb            NOT NULL,
  slot     smallint         NOT NULL,
  buckets  bigint[]         NOT NULL CHECK (cardinality(buckets) > 0),
  total    double precision NOT NULL,
  PRIMARY KEY (metric, labels, slot)
) WITH (fillfactor = 50)
""")
    op.execute(
        "COMMENT ON COLUMN metric_total.slot IS 'instances spread over slots, so that they do not wait for one another'"
    )
    op.execute(
        "COMMENT ON COLUMN metric_total.buckets IS "
        "'how many observations lay above so many bounds of the histogram; of a counter, the one number'"
    )
    op.execute("COMMENT ON COLUMN metric_total.total IS 'sum of what was observed'")
    op.execute("GRANT SELECT, INSERT, UPDATE ON metric_total TO nolapse_engine, nolapse_api")
    op.execute("""
CREATE TABLE metric_folded (
  only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  audit_seq  bigint  NOT NULL
)
""")
    op.execute("COMMENT ON TABLE metric_folded IS 'up to which entry of audit_log messages are counted'")
    op.execute("INSERT INTO metric_folded (audit_seq) VALUES (0)")
    fold_messages()


def fold_messages() -> None:
    # The API sees its own tenant's rows alone; the owner, who counts, tells it no tenant and no person.
    op.execute("""
CREATE FUNCTION fold_messages(most bigint, delivery_bounds double precision[], lateness_bounds double precision[])
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
      AND (to_status IN ('SENT', 'DEFERRED', 'BOUNCED') OR (from_status, to_status) = ('PENDING', 'LATE_PENDING'))
  ),
  told AS MATERIALIZED (
    SELECT
      from_status, to_status,
      CASE WHEN to_status = 'LATE_PENDING' THEN '{}' ELSE jsonb_build_object(
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
        WHEN 'SENT' THEN 'messages_sent' WHEN 'LATE_PENDING' THEN 'missed_windows' ELSE 'messages_failed'
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
    op.execute("REVOKE ALL ON FUNCTION fold_messages FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION fold_messages TO nolapse_api")
