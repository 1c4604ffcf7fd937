-- What came back late and goes on by its next channel leaves later than it was taken to have left: late windows that were
-- granted to others of the same people by that are taken back, and catch-up grants them anew.
-- Walks primary keys, then notification_schedule_by_clinician.
UPDATE notification_schedule AS waiting
SET next_attempt_at = 'infinity', send_by = 'infinity', updated_at = :now
FROM notification_outbox AS attempt
JOIN notification_schedule AS went_on
  ON (went_on.idempotency_key, went_on.scheduled_at) = (attempt.idempotency_key, attempt.scheduled_at)
WHERE attempt_id = ANY (CAST(:attempts AS uuid[]))
  AND went_on.status = 'LATE_PENDING' AND went_on.send_by < 'infinity'
  AND (waiting.tenant_id, waiting.clinician_id) = (went_on.tenant_id, went_on.clinician_id)
  AND waiting.idempotency_key <> went_on.idempotency_key
  AND waiting.status = 'LATE_PENDING' AND waiting.send_by < 'infinity' AND waiting.scheduled_at <= :now
