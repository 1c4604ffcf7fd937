-- A medication as it stands, kept from being changed by anybody else until this transaction ends. Walks medications_pkey.
SELECT
  medication_id, clinician_id, caregiver_id, label, starts_at, timezone, rrule, exdates, lateness, on_time_minutes,
  safe_minutes, least_gap_minutes, status, created_at, updated_at
FROM medications
WHERE medication_id = :medication_id AND deleted_at IS NULL
FOR NO KEY UPDATE
