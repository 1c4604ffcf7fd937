-- One row and what its attempts prove, locked until its case is closed. Walks the primary key of every partition.
SELECT
  status, scheduled_at, window_end, late, perishable,
  (SELECT max(attempt_number) FROM notification_outbox AS attempt
   WHERE attempt.idempotency_key = schedule.idempotency_key AND outcome = 'ACCEPTED') AS accepted
FROM notification_schedule AS schedule
WHERE idempotency_key = :key
FOR UPDATE
