-- The given rows must not leave, each for its reason: from the queue, before their messages went, or from waiting.
UPDATE notification_schedule AS schedule
SET status = 'SUPPRESSED', reason = held.reason, claimed_at = NULL, next_attempt_at = NULL, send_by = NULL, updated_at = :now
FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:reasons AS text[]))
  AS held (idempotency_key, scheduled_at, reason)
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (held.idempotency_key, held.scheduled_at)
  AND status IN ('QUEUED', 'PENDING', 'LATE_PENDING')
RETURNING schedule.idempotency_key
