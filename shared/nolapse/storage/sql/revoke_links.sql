-- Links in messages to this person (by the tenant's own name for them; NULL: to all of the tenant's people) that were
-- issued up to now are dead. Walks clinicians' unique key.
UPDATE clinicians
SET links_revoked_at = :now
FROM tenants
WHERE tenants.tenant_id = clinicians.tenant_id AND slug = :tenant
  AND (CAST(:person AS text) IS NULL OR external_id = :person)
RETURNING clinicians.tenant_id, clinician_id
