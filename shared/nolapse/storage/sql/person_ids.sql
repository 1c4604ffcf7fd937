-- By what the rows of one person are told, deleted or not: their addresses, the ids of what is theirs, `keys` of the
-- notifications to them or about what is theirs, `told` of those to them, `dated` of those, to whomever, about their yearly
-- dates and doses, `subjects` of the audit log.
-- Walks licenses_by_clinician, medications_by_clinician, person_dates' unique key and notification_schedule_by_clinician,
-- _by_license, _by_person_date and _by_medication.
WITH whose AS (
  SELECT
    tenant_id, clinician_id,
    array_remove(ARRAY[email, phone, whatsapp], NULL) AS addresses,
    ARRAY(
      SELECT license_id FROM licenses
      WHERE (licenses.tenant_id, licenses.clinician_id) = (clinicians.tenant_id, clinicians.clinician_id)
    ) AS licenses,
    ARRAY(
      SELECT medication_id FROM medications
      WHERE (medications.tenant_id, medications.clinician_id) = (clinicians.tenant_id, clinicians.clinician_id)
    ) AS medications,
    ARRAY(
      SELECT person_date_id FROM person_dates
      WHERE (person_dates.tenant_id, person_dates.clinician_id) = (clinicians.tenant_id, clinicians.clinician_id)
    ) AS dates
  FROM clinicians
  WHERE clinician_id = :clinician_id
),
notified AS (
  SELECT
    whose.*,
    ARRAY(
      SELECT idempotency_key FROM notification_schedule AS schedule
      WHERE schedule.tenant_id = whose.tenant_id AND schedule.clinician_id = whose.clinician_id
    ) AS told,
    ARRAY(
      SELECT idempotency_key FROM notification_schedule AS schedule
      WHERE schedule.tenant_id = whose.tenant_id AND license_id = ANY (licenses)
    ) AS licensed,
    ARRAY(
      SELECT idempotency_key FROM notification_schedule AS schedule
      WHERE schedule.tenant_id = whose.tenant_id AND medication_id = ANY (medications)
      UNION ALL
      SELECT idempotency_key FROM notification_schedule WHERE person_date_id = ANY (dates)
    ) AS dated
  FROM whose
)
SELECT
  tenant_id, clinician_id, addresses, licenses, medications, told, dated, keys,
  ARRAY(SELECT CAST(unnest(clinician_id || licenses || medications || dates) AS text)) AS ids,
  ARRAY(
    SELECT 'clinician:' || clinician_id
    UNION ALL SELECT 'license:' || unnest(licenses)
    UNION ALL SELECT 'medication:' || unnest(medications)
    UNION ALL SELECT 'notification:' || encode(unnest(keys), 'hex')
  ) AS subjects
FROM notified
CROSS JOIN LATERAL (SELECT ARRAY(SELECT DISTINCT unnest(told || licensed || dated)) AS keys) AS known
