-- Nobody was told, and there is a next channel: the row waits for it, within what is left of its window or for a late
-- one. Not while another attempt got through or may have got through, nor for what would come too late.
-- Walks primary keys and the outbox's unique index on the key.
UPDATE notification_schedule AS schedule
SET status = CASE WHEN late OR closed THEN 'LATE_PENDING' ELSE 'PENDING' END,
    late = late OR closed,
    claimed_at = NULL,
    channel_position = channel_position + 1,
    retry_count = 0,
    next_attempt_at = CASE WHEN closed THEN 'infinity' ELSE CAST(:now AS timestamptz) END,
    send_by = CASE WHEN closed THEN 'infinity' ELSE coalesce(send_by, window_end) END,
    updated_at = :now
FROM (
  SELECT bounced.idempotency_key, bounced.scheduled_at, coalesce(send_by, window_end) <= :now AS closed
  FROM notification_outbox AS attempt
  JOIN notification_schedule AS bounced
    ON (bounced.idempotency_key, bounced.scheduled_at) = (attempt.idempotency_key, attempt.scheduled_at)
  WHERE attempt_id = ANY (CAST(:attempts AS uuid[]))
) AS bounced
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (bounced.idempotency_key, bounced.scheduled_at)
  AND status = 'BOUNCED' AND channel_position < cardinality(channels)
  AND (NOT closed OR (NOT perishable AND window_end > :late_since))
  AND NOT EXISTS (
    SELECT FROM notification_outbox AS other
    WHERE other.idempotency_key = schedule.idempotency_key
      AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN', 'UNPROVEN'))
