-- What the schedule holds of the windows that open from :first on and before :until. A few months' partitions at most.
SELECT
  idempotency_key, clinician_id, subject_id, event, occurrence, template,
  scheduled_at, window_end, status, created_at
FROM notification_schedule
WHERE scheduled_at >= :first AND scheduled_at < :until
