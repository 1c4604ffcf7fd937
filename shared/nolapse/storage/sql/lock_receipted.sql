-- The attempts that receipts are about, then their rows, in one order: before anything is changed, and so before the
-- audit log is locked, which orders all writers until they commit. Walks primary keys.
WITH attempt AS MATERIALIZED (
  SELECT attempt_id, idempotency_key, scheduled_at
  FROM notification_outbox
  WHERE attempt_id = ANY (CAST(:attempts AS uuid[]))
  ORDER BY attempt_id
  FOR NO KEY UPDATE
)
SELECT attempt_id
FROM attempt
JOIN notification_schedule AS schedule
  ON (schedule.idempotency_key, schedule.scheduled_at) = (attempt.idempotency_key, attempt.scheduled_at)
ORDER BY attempt_id
FOR NO KEY UPDATE OF schedule
