-- Rows follow what receipts proved of their last attempt; a receipt of an earlier one moves nothing.
-- Walks primary keys.
UPDATE notification_schedule AS schedule
SET status = CASE outcome WHEN 'BOUNCED' THEN 'BOUNCED' ELSE 'DELIVERED' END,
    reason = CASE outcome WHEN 'BOUNCED' THEN concat_ws(': ', 'bounced', code) END,
    updated_at = :now
FROM notification_outbox AS attempt
WHERE attempt_id = ANY (CAST(:attempts AS uuid[]))
  AND (schedule.idempotency_key, schedule.scheduled_at) = (attempt.idempotency_key, attempt.scheduled_at)
  AND attempt_count = attempt_number
  AND CASE outcome
    WHEN 'BOUNCED' THEN status IN ('SENT', 'DELIVERED')
    WHEN 'ACCEPTED' THEN status = 'SENT' AND delivered_at IS NOT NULL
  END
RETURNING status
