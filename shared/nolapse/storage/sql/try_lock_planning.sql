-- The same locks as lock_planning.sql takes, of the given tenants that nobody plans just now; who can't be had is left out.
SELECT tenant_id
FROM tenants
WHERE tenant_id = ANY (CAST(:tenants AS uuid[])) AND pg_try_advisory_xact_lock(hashtextextended('plan:' || tenant_id, 0))
