-- What a planning run at :now, or what came with it, touched: the rows of :keys and :times, between :earliest and :latest,
-- which spare the optimiser all other months. Walks notification_schedule_pkey.
SELECT
  encode(idempotency_key, 'hex') AS key, clinician_id, subject_id, occasion, event, occurrence, scheduled_at, window_end,
  status, reason, created_at = :now AS is_new
FROM notification_schedule
JOIN unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[])) AS touched (idempotency_key, scheduled_at)
  USING (idempotency_key, scheduled_at)
WHERE scheduled_at BETWEEN :earliest AND :latest
ORDER BY scheduled_at, idempotency_key
