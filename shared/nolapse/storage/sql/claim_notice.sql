-- The oldest notice that is open and in nobody's hands, for one try. Committed before the provider is called: a crash
-- then leaves a lease that runs out, and it is sent again. Walks ops_notices_unsettled.
UPDATE ops_notices
SET attempts = attempts + 1, lease_until = :lease_until
FROM tenants
WHERE tenants.tenant_id = ops_notices.tenant_id
  AND notice_id = (
    SELECT notice_id
    FROM ops_notices
    WHERE outcome IS NULL AND provider = ANY (CAST(:providers AS text[]))
      AND (lease_until IS NULL OR lease_until <= :now)
    ORDER BY created_at, notice_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED)
RETURNING notice_id, slug AS tenant, kind, provider, counts, attempts
