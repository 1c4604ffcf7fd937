-- Attempts whose dispatcher never came back: we cannot tell whether the message left, so the provider is asked.
-- Walks notification_outbox_unsettled.
WITH expired AS (
  UPDATE notification_outbox
  SET outcome = 'UNKNOWN', code = 'lease expired', finished_at = :now
  WHERE outcome IS NULL AND lease_until <= :now
  RETURNING idempotency_key, scheduled_at, attempt_number
)
UPDATE notification_schedule AS schedule
SET status = 'UNKNOWN', updated_at = :now
FROM expired
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (expired.idempotency_key, expired.scheduled_at)
  AND schedule.scheduled_at <= :now AND status = 'SENDING' AND attempt_count = attempt_number
