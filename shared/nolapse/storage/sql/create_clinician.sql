-- A new person, or one who was deleted and comes back; no row where somebody goes by this external_id already.
-- Walks clinicians_tenant_id_external_id_key.
INSERT INTO clinicians AS known (
  tenant_id, external_id, role, full_name, email, phone, whatsapp, timezone, supervisor_id, status, created_at,
  updated_at)
VALUES (
  :tenant_id, :external_id, :role, :full_name, :email, :phone, :whatsapp, :timezone, :supervisor_id, :status, :now, :now)
ON CONFLICT (tenant_id, external_id) DO UPDATE SET
  role = excluded.role, full_name = excluded.full_name, email = excluded.email, phone = excluded.phone,
  whatsapp = excluded.whatsapp, timezone = excluded.timezone, supervisor_id = excluded.supervisor_id, status = excluded.status,
  updated_at = excluded.updated_at, deleted_at = NULL
WHERE known.deleted_at IS NOT NULL
RETURNING
  clinician_id, external_id, role, full_name, email, phone, whatsapp, timezone, supervisor_id, status, created_at,
  updated_at
