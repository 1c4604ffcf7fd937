-- A person's licences with their dates, and whether a link of :issued_at may still be used; one row without a licence where they hold
-- none. Walks clinicians' unique key and licenses_by_clinician.
SELECT
  person.status = 'ACTIVE' AND coalesce(links_revoked_at < :issued_at, true) AS link_is_good,
  license_id, license_type, licenses.state, license_number, expires_on AS occasion_date,
  to_char(expires_on, 'YYYY-MM-DD') AS occurrence, licenses.updated_at, true AS is_holder
FROM clinicians AS person
LEFT JOIN licenses ON licenses.tenant_id = person.tenant_id AND licenses.clinician_id = person.clinician_id
  AND licenses.status = 'ACTIVE' AND expires_on IS NOT NULL
WHERE person.tenant_id = :tenant_id AND person.clinician_id = :clinician_id
ORDER BY expires_on, license_id
