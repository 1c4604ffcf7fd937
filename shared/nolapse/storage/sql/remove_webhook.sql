DELETE FROM tenant_webhooks USING tenants
WHERE tenants.tenant_id = tenant_webhooks.tenant_id AND slug = :tenant
RETURNING tenant_webhooks.tenant_id
