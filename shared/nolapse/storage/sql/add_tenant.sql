-- A tenant of the operator's; the transaction acts for it already.
INSERT INTO tenants (tenant_id, slug, name, timezone, contact_email, messages_per_minute, created_at, updated_at)
VALUES (:tenant_id, :slug, :name, :timezone, :contact_email, :messages_per_minute, :now, :now)
