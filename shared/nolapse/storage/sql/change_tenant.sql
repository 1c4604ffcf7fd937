-- Walks the primary key.
UPDATE tenants
SET name = :name, timezone = :timezone, contact_email = :contact_email, messages_per_minute = :messages_per_minute,
    updated_at = :now
WHERE tenant_id = :tenant_id
