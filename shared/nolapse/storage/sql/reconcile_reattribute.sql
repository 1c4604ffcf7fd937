-- Rows whose key is expected and that name somebody or something else than their key was made of: put right.
-- Parameters: those of expected.sql, and :now.
WITH
-- include expected
UPDATE notification_schedule AS schedule
SET tenant_id = expected.tenant_id, clinician_id = expected.clinician_id, license_id = expected.license_id,
    person_date_id = expected.person_date_id, medication_id = expected.medication_id, template = expected.template, updated_at = :now
FROM expected
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (expected.idempotency_key, expected.scheduled_at)
  AND (schedule.tenant_id, schedule.clinician_id, schedule.subject_id, schedule.template)
    IS DISTINCT FROM (expected.tenant_id, expected.clinician_id, expected.subject_id, expected.template)
RETURNING schedule.idempotency_key, schedule.scheduled_at
