-- One round trip records a whole batch: attempts get their outcome, notifications the state that follows from it.
-- An attempt whose lease ran out meanwhile (UNKNOWN) is still settled by its dispatcher's own answer.
WITH verdict AS (
  SELECT *
  FROM unnest(
    CAST(:attempt_ids AS uuid[]), CAST(:outcomes AS text[]), CAST(:codes AS text[]), CAST(:message_ids AS text[]),
    CAST(:statuses AS text[]), CAST(:reasons AS text[]), CAST(:next_attempts AS timestamptz[])
  ) AS given (attempt_id, outcome, code, message_id, status, reason, next_attempt_at)
),
settled AS (
  UPDATE notification_outbox AS attempt
  SET finished_at = :now, outcome = verdict.outcome, code = verdict.code, provider_message_id = verdict.message_id
  FROM verdict
  WHERE attempt.attempt_id = verdict.attempt_id
    AND coalesce(attempt.outcome, 'UNKNOWN') = 'UNKNOWN'
  RETURNING idempotency_key, scheduled_at, attempt_number,
    verdict.status, verdict.reason, verdict.next_attempt_at, verdict.outcome
)
UPDATE notification_schedule AS schedule
SET status = settled.status,
    reason = settled.reason,
    next_attempt_at = coalesce(settled.next_attempt_at, schedule.next_attempt_at),
    claimed_at = CASE WHEN settled.status IN ('PENDING', 'LATE_PENDING') THEN NULL ELSE claimed_at END,
    updated_at = :now
FROM settled
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (settled.idempotency_key, settled.scheduled_at)
  AND schedule.status IN ('SENDING', 'UNKNOWN')
  AND schedule.attempt_count = settled.attempt_number
RETURNING settled.outcome, schedule.status
