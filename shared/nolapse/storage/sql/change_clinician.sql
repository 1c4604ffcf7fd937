-- A person as an edit wants them. Walks clinicians_pkey.
UPDATE clinicians
SET external_id = :external_id, role = :role, full_name = :full_name, email = :email, phone = :phone,
  whatsapp = :whatsapp, timezone = :timezone, supervisor_id = :supervisor_id, status = :status, updated_at = :now
WHERE clinician_id = :clinician_id
RETURNING
  clinician_id, external_id, role, full_name, email, phone, whatsapp, timezone, supervisor_id, status, created_at,
  updated_at
