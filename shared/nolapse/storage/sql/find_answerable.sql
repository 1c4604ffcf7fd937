-- One notification as its page shows it, with who was told, whether the link may still be used and their last answer.
-- Nothing for what is about no licence. Walks primary keys and acknowledgements_by_license.
SELECT
  notice.tenant_id, notice.clinician_id, notice.license_id, notice.occurrence, notice.occasion_date,
  tenants.name AS clinic_name, license_type, state, license_number, expires_on, licenses.updated_at,
  holder.full_name AS holder_name, holder.clinician_id = notice.clinician_id AS is_holder,
  coalesce(person.timezone, tenants.timezone) AS zone,
  person.status = 'ACTIVE' AND coalesce(person.links_revoked_at < :issued_at, true)
    -- who was told of a licence that another holds today, has no more say in it
    AND person.clinician_id IN (holder.clinician_id, holder.supervisor_id) AS link_is_good,
  licenses.status = 'ACTIVE' AND expires_on IS NOT DISTINCT FROM notice.occasion_date AS is_open,
  answered.answer, answered.at AS answered_at
FROM notification_schedule AS notice
JOIN tenants USING (tenant_id)
JOIN clinicians AS person USING (tenant_id, clinician_id)
JOIN licenses USING (tenant_id, license_id)
JOIN clinicians AS holder ON holder.clinician_id = licenses.clinician_id
LEFT JOIN LATERAL (
  SELECT answer, at
  FROM acknowledgements AS said
  WHERE (said.tenant_id, said.license_id, said.occurrence, said.clinician_id)
    = (notice.tenant_id, notice.license_id, notice.occurrence, notice.clinician_id)
  ORDER BY at DESC, acknowledgement_id DESC
  LIMIT 1
) AS answered ON true
WHERE (notice.idempotency_key, notice.scheduled_at) = (:key, :scheduled_at)
