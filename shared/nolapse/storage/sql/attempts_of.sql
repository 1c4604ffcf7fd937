-- Provider, outcome and code of each attempt of the given notifications. Walks the unique key of notification_outbox.
SELECT
  idempotency_key,
  array_agg(concat_ws(' ', provider, coalesce(outcome, 'IN_FLIGHT'), code) ORDER BY attempt_number) AS attempts
FROM notification_outbox
WHERE idempotency_key = ANY (CAST(:keys AS bytea[]))
GROUP BY idempotency_key
