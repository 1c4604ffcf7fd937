-- Of the given rows those that wait and that nothing calls for any more, as planning would do with them tonight.
-- Parameters: :keys, :times, :now. Walks the primary keys of notification_schedule and of who and what it names.
UPDATE notification_schedule AS waiting
SET status = 'CANCELLED', reason = ended.reason, next_attempt_at = NULL, send_by = NULL, updated_at = :now
FROM (
  SELECT
    schedule.idempotency_key, schedule.scheduled_at,
-- include ended
    AS reason
  FROM notification_schedule AS schedule
-- include who_and_what
  WHERE (schedule.idempotency_key, schedule.scheduled_at) IN (
    SELECT * FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[])))
) AS ended
WHERE (waiting.idempotency_key, waiting.scheduled_at) = (ended.idempotency_key, ended.scheduled_at)
  AND ended.reason IS NOT NULL AND waiting.status IN ('PENDING', 'LATE_PENDING')
