-- What was answered to the first request with this key. Walks idempotent_request's primary key.
SELECT request_sha256, status, headers, body
FROM idempotent_request
WHERE (tenant_id, principal, key) = (:tenant_id, :principal, :key)
