INSERT INTO tenants (slug, name, timezone, contact_email)
VALUES (:slug, :name, :timezone, :contact_email)
ON CONFLICT (slug) DO NOTHING
