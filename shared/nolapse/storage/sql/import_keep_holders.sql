-- Where a register does not identify its people, a licence keeps its holder as long as their e-mail address or their
-- name still agrees, or the register names neither: a new address or a new surname is no new person.
UPDATE import_licenses AS given
SET external_id = holder.external_id
FROM licenses
JOIN clinicians AS holder USING (tenant_id, clinician_id)
WHERE NOT given.identified
  AND licenses.tenant_id = given.tenant_id AND licenses.license_number = given.license_number
  AND licenses.license_type = given.license_type AND coalesce(licenses.state, '') = coalesce(given.state, '')
  AND holder.external_id <> given.external_id
  AND (lower(holder.email) = lower(given.email) OR lower(holder.full_name) = lower(given.full_name)
    OR coalesce(given.email, given.full_name) IS NULL)
