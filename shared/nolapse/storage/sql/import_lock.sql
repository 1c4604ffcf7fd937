-- After import_fold: while an edit in bulk (lock_bulk) has one of its tenants' rows, an import waits. It would meet them in
-- another order, or add the same people. In one order, for the import names several.
SELECT pg_advisory_xact_lock(hashtextextended('bulk:' || CAST(tenant_id AS text), 0))
FROM (SELECT DISTINCT tenant_id FROM import_licenses ORDER BY tenant_id) AS given
