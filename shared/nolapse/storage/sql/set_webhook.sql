-- A tenant's endpoint, enabled again where its receiver had been gone. Walks primary keys.
INSERT INTO tenant_webhooks (tenant_id, url, updated_at)
SELECT tenant_id, :url, :now FROM tenants WHERE slug = :tenant
ON CONFLICT (tenant_id) DO UPDATE SET url = excluded.url, disabled_at = NULL, updated_at = excluded.updated_at
RETURNING tenant_id
