-- What lies between scan and dispatch, and what a human was to decide or could send again: of these keys, it does not leave
-- any more.
-- Walks notification_schedule_pkey.
UPDATE notification_schedule
SET status = CASE status WHEN 'QUEUED' THEN 'SUPPRESSED' ELSE 'CANCELLED' END, reason = 'person erased', claimed_at = NULL,
  next_attempt_at = NULL, send_by = NULL, updated_at = :now
WHERE idempotency_key = ANY (CAST(:keys AS bytea[])) AND status IN ('QUEUED', 'HELD', 'DEFERRED')
RETURNING idempotency_key, scheduled_at
