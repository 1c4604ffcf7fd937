-- The given rows wait again: within what is left of their window, or for a late one, which catch-up grants.
-- From its first channel on, with its retries before it.
-- Only from where unsent.sql found them, and only while no attempt got through: the same call again changes nothing.
UPDATE notification_schedule AS schedule
SET status = CASE WHEN late OR window_end <= :now THEN 'LATE_PENDING' ELSE 'PENDING' END,
    reason = 'sent again by hand',
    late = late OR window_end <= :now,
    claimed_at = NULL,
    channel_position = 1,
    retry_count = 0,
    next_attempt_at = CASE WHEN late OR window_end <= :now THEN 'infinity' ELSE schedule.scheduled_at END,
    send_by = CASE WHEN late OR window_end <= :now THEN 'infinity' ELSE window_end END,
    correlation_id = coalesce(NULLIF(current_setting('app.correlation_id', true), ''), correlation_id),
    updated_at = :now
FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[])) AS wanted (idempotency_key, scheduled_at)
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (wanted.idempotency_key, wanted.scheduled_at)
  AND (status IN ('DEFERRED', 'BOUNCED') OR (status = 'SUPPRESSED' AND starts_with(reason, 'flag: ')))
  AND NOT (perishable AND window_end <= :now)
  AND NOT EXISTS (
    SELECT FROM notification_outbox AS attempt
    WHERE attempt.idempotency_key = schedule.idempotency_key
      AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN', 'UNPROVEN'))
RETURNING status
