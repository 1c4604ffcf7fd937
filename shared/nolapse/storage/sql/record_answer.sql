-- The audit entry is written by the database itself.
INSERT INTO acknowledgements (tenant_id, clinician_id, license_id, idempotency_key, scheduled_at, at, occurrence, answer, via)
VALUES (:tenant_id, :clinician_id, :license_id, :key, :scheduled_at, :now, :occurrence, :answer, 'LINK')
