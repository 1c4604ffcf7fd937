-- A batch of receipts, each kept once however often it is told: by provider, event id AND kind. One whose attempt is not
-- there yet waits. Returns what had not been told before. Sorted, so that two batches wait for one another in one order.
-- Walks the primary key of notification_outbox and the unique key of provider_receipts.
INSERT INTO provider_receipts (
  provider, event_id, kind, attempt_id, provider_message_id, code, suppresses, at, taken_at, applied_at)
SELECT
  given.provider, event_id, kind, given.attempt_id, message_id, given.code, suppresses, at, :now,
  CASE WHEN given.attempt_id IS NULL OR attempt.attempt_id IS NOT NULL THEN CAST(:now AS timestamptz) END
FROM unnest(
  CAST(:providers AS text[]), CAST(:event_ids AS text[]), CAST(:kinds AS text[]), CAST(:attempt_ids AS uuid[]),
  CAST(:message_ids AS text[]), CAST(:codes AS text[]), CAST(:suppresses AS text[]), CAST(:times AS timestamptz[])
) AS given (provider, event_id, kind, attempt_id, message_id, code, suppresses, at)
LEFT JOIN notification_outbox AS attempt ON (attempt.attempt_id, attempt.provider) = (given.attempt_id, given.provider)
ORDER BY given.provider, event_id, kind
ON CONFLICT DO NOTHING
RETURNING receipt_id, provider, event_id, kind, attempt_id, applied_at IS NULL AS waits
