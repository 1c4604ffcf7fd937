-- What waits for a human, the longest first, with what its attempts know. By ids and event only.
-- Reads the partitions that hold what is past: a held row was due once. HELD is rare, and so no index is kept for it.
SELECT
  slug AS tenant, idempotency_key, scheduled_at, occasion, event, reason, schedule.updated_at AS since, clinician_id, subject_id,
  ARRAY(
    SELECT concat_ws(' ', provider, coalesce(outcome, 'IN_FLIGHT'), code)
    FROM notification_outbox AS attempt
    WHERE attempt.idempotency_key = schedule.idempotency_key
    ORDER BY attempt_number
  ) AS attempts
FROM notification_schedule AS schedule
JOIN tenants USING (tenant_id)
WHERE schedule.status = 'HELD' AND scheduled_at <= :now
  AND (CAST(:tenant AS text) IS NULL OR slug = CAST(:tenant AS text))
ORDER BY since, idempotency_key
