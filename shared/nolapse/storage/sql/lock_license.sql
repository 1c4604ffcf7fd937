-- A licence as it stands, kept from being changed by anybody else until this transaction ends. NO KEY: notifications that
-- refer to it may come meanwhile. Walks licenses_pkey.
SELECT
  license_id, clinician_id, license_type, state, license_number, expires_on, status, register_status, created_at,
  updated_at
FROM licenses
WHERE license_id = :license_id AND deleted_at IS NULL
FOR NO KEY UPDATE
