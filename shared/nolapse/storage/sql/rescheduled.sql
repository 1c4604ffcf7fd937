-- What one planning run, at :now, changed about the dates of :clinician_ids.
WITH touched AS (
-- include schedule_of_holders
)
SELECT
  encode(idempotency_key, 'hex') AS key, clinician_id, subject_id, occasion, event, occurrence, scheduled_at, window_end,
  status, reason, created_at = :now AS is_new
FROM touched
WHERE updated_at = :now
ORDER BY scheduled_at, idempotency_key
