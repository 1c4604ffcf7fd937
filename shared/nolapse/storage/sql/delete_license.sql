-- What is deleted has ended, and is not shown any more; what was sent about it stays on record. Walks licenses_pkey.
UPDATE licenses
SET status = 'ENDED', deleted_at = :now, updated_at = :now
WHERE license_id = :license_id
