-- The given rows that are still in one of the states :from go to the state :to; what waits is LATE_PENDING when late.
UPDATE notification_schedule AS schedule
SET status = CASE WHEN CAST(:to AS text) = 'PENDING' AND late THEN 'LATE_PENDING' ELSE CAST(:to AS text) END,
    reason = CAST(:reason AS text),
    attempt_count = greatest(attempt_count, attempt_number),
    claimed_at = CASE WHEN CAST(:to AS text) IN ('PENDING', 'CANCELLED') THEN NULL ELSE coalesce(claimed_at, :now) END,
    next_attempt_at
      = CASE WHEN CAST(:to AS text) <> 'CANCELLED' THEN coalesce(next_attempt_at, schedule.scheduled_at) END,
    send_by = CASE WHEN CAST(:to AS text) <> 'CANCELLED' THEN coalesce(send_by, window_end) END,
    updated_at = :now
FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:attempt_numbers AS smallint[]))
  AS found (idempotency_key, scheduled_at, attempt_number)
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (found.idempotency_key, found.scheduled_at)
  AND status = ANY (CAST(:from AS text[]))
