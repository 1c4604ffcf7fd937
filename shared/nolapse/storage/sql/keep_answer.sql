-- The answer beside its key, in the transaction that did the work. Walks idempotent_request's primary key.
UPDATE idempotent_request
SET status = :status, headers = CAST(:headers AS jsonb), body = CAST(:body AS jsonb)
WHERE (tenant_id, principal, key) = (:tenant_id, :principal, :key)
