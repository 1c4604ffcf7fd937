-- A person as they stand, kept from being changed by anybody else until this transaction ends. NO KEY: notifications that
-- refer to them may come meanwhile. Walks clinicians_pkey.
SELECT
  clinician_id, external_id, role, full_name, email, phone, whatsapp, timezone, supervisor_id, status, created_at,
  updated_at
FROM clinicians
WHERE clinician_id = :clinician_id AND deleted_at IS NULL
FOR NO KEY UPDATE
