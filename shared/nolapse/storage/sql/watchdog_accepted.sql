-- Which of the given notifications a provider accepted. Walks the outbox's unique index on the key.
SELECT DISTINCT idempotency_key
FROM notification_outbox
WHERE idempotency_key = ANY (CAST(:keys AS bytea[])) AND outcome = 'ACCEPTED'
