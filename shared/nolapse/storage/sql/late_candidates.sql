-- Per person the most urgent late row that waits for a window, unless another late one is still on its way; of each
-- tenant no more than :per_tenant, the most urgent first.
-- Walks notification_schedule_to_send, then notification_schedule_by_clinician per person, and the outbox's unique index
-- on the key for what is held.
WITH waiting AS (
  SELECT DISTINCT ON (tenant_id, clinician_id) tenant_id, clinician_id, occasion_date, idempotency_key, scheduled_at
  FROM notification_schedule
  WHERE scheduled_at <= :now AND claimed_at IS NULL AND status = 'LATE_PENDING' AND send_by = 'infinity'
  ORDER BY tenant_id, clinician_id, occasion_date, scheduled_at
),
candidate AS (
  SELECT
    idempotency_key, scheduled_at, coalesce(clinicians.timezone, tenants.timezone) AS zone, history.last_sent_at,
    row_number() OVER (PARTITION BY waiting.tenant_id ORDER BY occasion_date, scheduled_at) AS turn
  FROM waiting
  JOIN clinicians USING (tenant_id, clinician_id)
  JOIN tenants USING (tenant_id)
  CROSS JOIN LATERAL (
    SELECT
      max(CASE status
            -- may have left; asking about it touches its row ever again
            WHEN 'HELD' THEN (
              SELECT max(started_at) FROM notification_outbox AS attempt
              WHERE attempt.idempotency_key = late.idempotency_key)
            ELSE updated_at END) FILTER (WHERE status IN ('SENT', 'DELIVERED', 'BOUNCED', 'HELD')) AS last_sent_at,
      count(*) FILTER (
        WHERE status IN ('QUEUED', 'SENDING', 'UNKNOWN')
        OR (status = 'LATE_PENDING' AND send_by < 'infinity')) AS on_their_way
    FROM notification_schedule AS late
    WHERE (late.tenant_id, late.clinician_id) = (waiting.tenant_id, waiting.clinician_id)
      AND late.late AND late.scheduled_at <= :now
  ) AS history
  WHERE on_their_way = 0
)
SELECT idempotency_key, scheduled_at, zone, last_sent_at
FROM candidate
WHERE turn <= :per_tenant
