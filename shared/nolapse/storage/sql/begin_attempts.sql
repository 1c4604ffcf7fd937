-- One round trip claims a whole batch: QUEUED becomes SENDING, each with an attempt, a lease and all that a probe will
-- need. Committed BEFORE the provider is called: a crash then leaves a lease that runs out.
-- A row is left alone when it is not QUEUED (a repeated message), its window closes before an answer could come,
-- or an earlier attempt got or may have got through. One that is SENDING goes on to another provider: only in the
-- transaction that recorded its last attempt as settled, for else that attempt is still open.
-- :earliest and :latest bound :times, so that the optimiser looks at their months alone.
-- CASE keeps the status from the optimiser: of states that pass in seconds it has no statistics, takes a single row for
-- granted and reads the whole batch again for every row.
-- Walks the primary key of notification_schedule and the outbox's unique index on the key.
WITH way AS (
  SELECT *
  FROM unnest(
    CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:numbers AS smallint[]), CAST(:positions AS smallint[]),
    CAST(:channels AS text[]), CAST(:providers AS text[]), CAST(:senders AS text[]), CAST(:recipients AS text[]),
    CAST(:hashes AS bytea[])
  ) AS given (
    idempotency_key, scheduled_at, number, position, channel, provider, sender, recipient, body_sha256)
),
claimed AS (
  UPDATE notification_schedule AS schedule
  SET status = 'SENDING', attempt_count = number, channel_position = position, updated_at = :now
  FROM way
  WHERE (schedule.idempotency_key, schedule.scheduled_at) = (way.idempotency_key, way.scheduled_at)
    AND schedule.scheduled_at BETWEEN :earliest AND :latest
    AND attempt_count = number - 1
    AND CASE status
          WHEN 'QUEUED' THEN schedule.scheduled_at <= :now AND send_by > :answer_by ELSE status = 'SENDING' END
    AND NOT EXISTS (
      SELECT FROM notification_outbox AS earlier
      WHERE earlier.idempotency_key = schedule.idempotency_key
        AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN'))
  RETURNING schedule.idempotency_key, schedule.tenant_id, schedule.template
)
INSERT INTO notification_outbox (
  idempotency_key, tenant_id, attempt_number, scheduled_at, started_at, lease_until, channel, provider, sender,
  recipient, body_sha256, template)
SELECT
  idempotency_key, tenant_id, number, scheduled_at, :now, :lease_until, channel, provider, sender, recipient,
  body_sha256, template
FROM claimed
JOIN way USING (idempotency_key)
RETURNING attempt_id, idempotency_key
