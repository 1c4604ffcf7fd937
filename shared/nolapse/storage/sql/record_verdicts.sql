-- One round trip records a whole batch: attempts get their outcome, notifications the state that follows from it.
-- :earliest and :latest bound the notifications' scheduled_at, so that the optimiser looks at their months alone.
-- Walks the primary keys. An attempt whose lease ran out meanwhile (UNKNOWN) is still settled by its dispatcher's own answer.
WITH verdict AS (
  SELECT *
  FROM unnest(
    CAST(:attempt_ids AS uuid[]), CAST(:outcomes AS text[]), CAST(:codes AS text[]), CAST(:message_ids AS text[]),
    CAST(:handles AS text[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]),
    CAST(:next_attempts AS timestamptz[]), CAST(:positions AS smallint[]), CAST(:retries AS smallint[])
  ) AS given (
    attempt_id, outcome, code, message_id, handle, status, reason, next_attempt_at, position, retry_count)
),
settled AS (
  UPDATE notification_outbox AS attempt
  SET finished_at = :now, outcome = verdict.outcome, code = verdict.code, provider_message_id = verdict.message_id,
      handle = coalesce(verdict.handle, attempt.handle), probes = probes + :asked
  FROM verdict
  WHERE attempt.attempt_id = verdict.attempt_id
    AND coalesce(attempt.outcome, 'UNKNOWN') = 'UNKNOWN'
  RETURNING idempotency_key, scheduled_at, attempt_number, verdict.*
)
UPDATE notification_schedule AS schedule
SET status = settled.status,
    reason = settled.reason,
    -- late and no longer held, it waits for a window like any other: another may have left meanwhile
    next_attempt_at = CASE
      WHEN schedule.status = 'HELD' AND settled.status = 'LATE_PENDING' THEN 'infinity'
      ELSE coalesce(settled.next_attempt_at, schedule.next_attempt_at)
    END,
    send_by = CASE
      WHEN schedule.status = 'HELD' AND settled.status = 'LATE_PENDING' THEN 'infinity'
      ELSE schedule.send_by
    END,
    channel_position = position,
    retry_count = settled.retry_count,
    claimed_at = CASE WHEN settled.status IN ('PENDING', 'LATE_PENDING') THEN NULL ELSE claimed_at END,
    updated_at = :now
FROM settled
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (settled.idempotency_key, settled.scheduled_at)
  AND schedule.scheduled_at BETWEEN :earliest AND :latest
  -- held because asking had been in vain: an answer that comes after all settles it, unless a human did
  AND schedule.status IN ('SENDING', 'UNKNOWN', 'HELD')
  AND schedule.attempt_count = settled.attempt_number
RETURNING settled.attempt_id, settled.outcome, schedule.status
