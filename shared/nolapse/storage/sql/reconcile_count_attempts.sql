-- The given rows count every attempt that was made for them: the next one gets a number of its own.
UPDATE notification_schedule AS schedule
SET attempt_count = attempt_number, updated_at = :now
FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:attempt_numbers AS smallint[]))
  AS found (idempotency_key, scheduled_at, attempt_number)
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (found.idempotency_key, found.scheduled_at)
  AND attempt_count < attempt_number
