-- One planning run at a time per tenant, in one order: rows are inserted without asking for conflicts.
SELECT pg_advisory_xact_lock(hashtextextended('plan:' || tenant_id, 0))
FROM tenants
WHERE (CAST(:tenant_id AS uuid) IS NULL OR tenant_id = CAST(:tenant_id AS uuid))
  AND (CAST(:clinician_ids AS uuid[]) IS NULL OR tenant_id IN (
    SELECT tenant_id FROM clinicians WHERE clinician_id = ANY (CAST(:clinician_ids AS uuid[]))))
ORDER BY tenant_id
