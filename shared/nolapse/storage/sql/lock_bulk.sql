-- One bulk edit of a tenant at a time, and none during an import of its (import_lock): two would meet each other's rows
-- in two orders.
SELECT pg_advisory_xact_lock(hashtextextended('bulk:' || CAST(:tenant_id AS text), 0))
