-- Receivers that answered that they want no more (410). Walks the primary key.
UPDATE tenant_webhooks
SET disabled_at = :now, updated_at = :now
WHERE tenant_id = ANY (CAST(:tenants AS uuid[])) AND disabled_at IS NULL
