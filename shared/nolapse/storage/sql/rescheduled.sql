-- What one planning run, at :now, changed about the dates of these holders. Walks licenses_by_clinician and
-- notification_schedule_by_license, and their likes for a person's dates and medications.
WITH touched AS (
  SELECT schedule.*
  FROM notification_schedule AS schedule
  JOIN licenses USING (tenant_id, license_id)
  WHERE licenses.clinician_id = ANY (CAST(:holders AS uuid[]))
  UNION ALL
  SELECT schedule.*
  FROM notification_schedule AS schedule
  JOIN person_dates USING (person_date_id)
  WHERE person_dates.clinician_id = ANY (CAST(:holders AS uuid[]))
  UNION ALL
  SELECT schedule.*
  FROM notification_schedule AS schedule
  JOIN medications USING (tenant_id, medication_id)
  WHERE medications.clinician_id = ANY (CAST(:holders AS uuid[]))
)
SELECT
  encode(idempotency_key, 'hex') AS key, clinician_id, subject_id, occasion, event, occurrence, scheduled_at, window_end,
  status, reason, created_at = :now AS is_new
FROM touched
WHERE updated_at = :now
ORDER BY scheduled_at, idempotency_key
