-- A tenant of the operator's; the transaction acts for it already.
INSERT INTO tenants (tenant_id, slug, name, timezone, contact_email, created_at, updated_at)
VALUES (:tenant_id, :slug, :name, :timezone, :contact_email, :now, :now)
