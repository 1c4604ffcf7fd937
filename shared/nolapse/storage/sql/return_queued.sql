-- The given rows that are still QUEUED wait again. A message of theirs that comes after all finds them no longer
-- QUEUED, or claimed anew, and is harmless.
UPDATE notification_schedule AS schedule
SET status = CASE WHEN late THEN 'LATE_PENDING' ELSE 'PENDING' END, claimed_at = NULL, updated_at = :now
FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[])) AS given (idempotency_key, scheduled_at)
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (given.idempotency_key, given.scheduled_at)
  AND status = 'QUEUED'
RETURNING schedule.idempotency_key
