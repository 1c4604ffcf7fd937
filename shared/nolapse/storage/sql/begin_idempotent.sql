-- Takes an Idempotency-Key for this transaction. No row: somebody has it, or had it until just now, when this waited for
-- their transaction to end. Walks idempotent_request's primary key.
INSERT INTO idempotent_request (tenant_id, principal, key, request_sha256, created_at)
VALUES (:tenant_id, :principal, :key, :request_sha256, :now)
ON CONFLICT (tenant_id, principal, key) DO NOTHING
RETURNING key
