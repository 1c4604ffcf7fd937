-- Which of the given notifications a provider accepted, also where the message came back later.
-- Walks the outbox's unique index on the key.
SELECT DISTINCT idempotency_key
FROM notification_outbox
WHERE idempotency_key = ANY (CAST(:keys AS bytea[])) AND outcome IN ('ACCEPTED', 'BOUNCED')
