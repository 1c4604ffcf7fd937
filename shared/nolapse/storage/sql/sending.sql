-- What tenants (:tenants; NULL: all) have of their own to send by: a limit, and senders in use. Who has neither has no row.
-- Walks the primary key of tenants and senders_in_use.
SELECT
  tenants.tenant_id, tenants.messages_per_minute AS per_minute,
  provider, address, senders.messages_per_minute AS per_minute_of_sender
FROM tenants
LEFT JOIN senders ON senders.tenant_id = tenants.tenant_id AND senders.status = 'ACTIVE'
WHERE (CAST(:tenants AS uuid[]) IS NULL OR tenants.tenant_id = ANY (CAST(:tenants AS uuid[])))
  AND num_nonnulls(tenants.messages_per_minute, provider) > 0
