-- The dates of all holders, or of those in one :slice (the last byte of the id, modulo 24), with all that the pure twin
-- needs to know; ended ones too, which call for nothing. Nothing of the planner's statements is in here.
WITH holder AS (
  SELECT
    clinicians.tenant_id, clinician_id, status = 'ACTIVE' AS active, supervisor_id,
    tenants.timezone AS tenant_zone, coalesce(clinicians.timezone, tenants.timezone) AS zone
  FROM clinicians
  JOIN tenants ON tenants.tenant_id = clinicians.tenant_id
  WHERE CAST(:slice AS integer) IS NULL
    OR mod(get_byte(uuid_send(clinician_id), 15), 24) = CAST(:slice AS integer)
),
dated AS (
  SELECT tenant_id, clinician_id, license_id AS subject_id, 'LICENSE_EXPIRY' AS occasion, license_type, state,
    expires_on AS on_date, false AS yearly, status = 'ACTIVE' AND expires_on IS NOT NULL AS called_for
  FROM licenses
  UNION ALL
  SELECT tenant_id, clinician_id, person_date_id, kind, NULL, NULL, on_date, true, on_date IS NOT NULL
  FROM person_dates
  UNION ALL
  SELECT tenant_id, clinician_id, medication_id, 'DOSE', NULL, NULL, NULL, false, status = 'ACTIVE'
  FROM medications
)
SELECT
  holder.tenant_id, holder.clinician_id, holder.zone, subject_id, occasion, license_type, state, on_date, yearly,
  active AND called_for AS called_for,
  supervisor.clinician_id AS supervisor_id, coalesce(supervisor.timezone, tenant_zone) AS supervisor_zone,
  caregiver.clinician_id AS caregiver_id, coalesce(caregiver.timezone, tenant_zone) AS caregiver_zone,
  medications.starts_at, medications.timezone AS regimen_zone, medications.rrule, medications.exdates,
  medications.lateness, medications.on_time_minutes, medications.safe_minutes, medications.effective_from
FROM holder
JOIN dated ON (dated.tenant_id, dated.clinician_id) = (holder.tenant_id, holder.clinician_id)
LEFT JOIN medications ON medications.medication_id = dated.subject_id
LEFT JOIN clinicians AS supervisor
  ON (supervisor.tenant_id, supervisor.clinician_id) = (holder.tenant_id, holder.supervisor_id)
  AND supervisor.status = 'ACTIVE'
LEFT JOIN clinicians AS caregiver
  ON (caregiver.tenant_id, caregiver.clinician_id) = (medications.tenant_id, medications.caregiver_id)
  AND caregiver.status = 'ACTIVE'
