UPDATE notification_schedule AS schedule
SET next_attempt_at = granted.opens_at, send_by = granted.closes_at, updated_at = :now
FROM unnest(
  CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:opens AS timestamptz[]), CAST(:closes AS timestamptz[])
) AS granted (idempotency_key, scheduled_at, opens_at, closes_at)
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (granted.idempotency_key, granted.scheduled_at)
  AND status = 'LATE_PENDING' AND send_by = 'infinity'
