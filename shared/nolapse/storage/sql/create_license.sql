-- A new licence, or one that was deleted and comes back; no row where there is one of this number, type and state.
-- Walks licenses_tenant_id_license_number_license_type_state_key.
INSERT INTO licenses AS known (
  tenant_id, clinician_id, license_type, state, license_number, expires_on, status, created_at, updated_at)
VALUES (
  :tenant_id, :clinician_id, :license_type, :state, :license_number, :expires_on, :status, :now, :now)
ON CONFLICT (tenant_id, license_number, license_type, state) DO UPDATE SET
  clinician_id = excluded.clinician_id, expires_on = excluded.expires_on, status = excluded.status,
  register_status = NULL, updated_at = excluded.updated_at, deleted_at = NULL
WHERE known.deleted_at IS NOT NULL
RETURNING
  license_id, clinician_id, license_type, state, license_number, expires_on, status, register_status, created_at,
  updated_at
