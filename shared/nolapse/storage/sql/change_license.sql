-- A licence as an edit wants it. Walks licenses_pkey.
UPDATE licenses
SET clinician_id = :clinician_id, license_type = :license_type, state = :state, license_number = :license_number,
  expires_on = :expires_on, status = :status, updated_at = :now
WHERE license_id = :license_id
RETURNING
  license_id, clinician_id, license_type, state, license_number, expires_on, status, register_status, created_at,
  updated_at
