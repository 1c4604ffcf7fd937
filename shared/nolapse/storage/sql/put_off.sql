-- Queued notifications that can't be sent now go back to waiting, on a channel and until a time, or are given up with
-- a reason. A limit that holds one back is noted, and so audited. Walks the primary key.
UPDATE notification_schedule AS schedule
SET status = CASE
      WHEN given.reason IS NOT NULL THEN 'DEFERRED' WHEN late THEN 'LATE_PENDING' ELSE 'PENDING' END,
    claimed_at = CASE WHEN given.reason IS NOT NULL THEN claimed_at END,
    reason = coalesce(given.reason, given.note), channel_position = position,
    next_attempt_at = coalesce(until, next_attempt_at), updated_at = :now
FROM unnest(
  CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:positions AS smallint[]), CAST(:untils AS timestamptz[]),
  CAST(:reasons AS text[]), CAST(:notes AS text[])
) AS given (idempotency_key, scheduled_at, position, until, reason, note)
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (given.idempotency_key, given.scheduled_at)
  AND status = 'QUEUED'
