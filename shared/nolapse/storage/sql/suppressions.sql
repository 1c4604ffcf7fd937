-- Addresses that are sent nothing, the latest first: what is in force, of one tenant or all, and of one address where
-- it is given. Walks the unique key of suppressions for one tenant's address, else reads them all.
SELECT suppression_id, slug AS tenant, channel, reason, since, address_sha256
FROM suppressions
JOIN tenants USING (tenant_id)
WHERE in_force
  AND (CAST(:tenant AS text) IS NULL OR slug = CAST(:tenant AS text))
  AND (CAST(:address AS text) IS NULL OR address_sha256 = address_digest(CAST(:address AS text)))
ORDER BY since DESC, suppression_id
LIMIT :limit
