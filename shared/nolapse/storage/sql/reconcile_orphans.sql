-- Rows that wait for a licence, a date or a medication that is no more: foreign keys prevent it, a damaged base may hold it.
-- Reads the whole of what waits.
SELECT idempotency_key, scheduled_at, attempt_count
FROM notification_schedule AS schedule
LEFT JOIN licenses USING (license_id)
LEFT JOIN person_dates USING (person_date_id)
LEFT JOIN medications USING (medication_id)
WHERE schedule.status IN ('PENDING', 'LATE_PENDING', 'QUEUED')
  AND coalesce(licenses.clinician_id, person_dates.clinician_id, medications.clinician_id) IS NULL
