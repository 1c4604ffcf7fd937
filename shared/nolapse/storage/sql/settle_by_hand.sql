-- What a human knows of attempts that no provider could answer for: where the message :left, the last of them was it,
-- unless another one is known to have been accepted. Walks the unique key of notification_outbox.
UPDATE notification_outbox AS attempt
SET finished_at = :now,
    code = 'settled by hand',
    outcome = CASE WHEN attempt_id = settled.left_by THEN 'ACCEPTED' ELSE 'NOT_FOUND' END,
    provider_message_id = CASE WHEN attempt_id = settled.left_by THEN 'by hand: ' || attempt_id END
FROM (
  SELECT
    CASE WHEN CAST(:left AS boolean) AND NOT bool_or(coalesce(outcome, '') = 'ACCEPTED')
      THEN (array_agg(attempt_id ORDER BY attempt_number DESC) FILTER (WHERE coalesce(outcome, 'UNKNOWN') = 'UNKNOWN'))[1]
    END AS left_by
  FROM notification_outbox
  WHERE idempotency_key = :key
) AS settled
WHERE attempt.idempotency_key = :key AND coalesce(attempt.outcome, 'UNKNOWN') = 'UNKNOWN'
