-- Of the tenant that the transaction acts for.
INSERT INTO senders (tenant_id, provider, address, messages_per_minute, status, created_at, updated_at)
VALUES (:tenant_id, :provider, :address, :messages_per_minute, :status, :now, :now)
RETURNING sender_id
