-- Receipts that waited for their attempts and need not any more. Walks provider_receipts_waiting, then the primary key
-- of notification_outbox.
SELECT receipt_id, attempt_id
FROM provider_receipts AS receipt
WHERE applied_at IS NULL
  AND EXISTS (
    SELECT FROM notification_outbox AS attempt
    WHERE (attempt.attempt_id, attempt.provider) = (receipt.attempt_id, receipt.provider))
ORDER BY taken_at
LIMIT :limit
