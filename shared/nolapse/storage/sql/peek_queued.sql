-- All that a message needs of the queued notifications of a batch: read before they are claimed, so that what is
-- claimed is on its way already and no lock waits for a text. What the claim (begin_attempts.sql) would leave alone is
-- left out. Walks the primary key of notification_schedule, the outbox's unique index on the key and that of
-- suppressions on addresses.
-- include message_facts
WHERE schedule.idempotency_key = ANY (CAST(:keys AS bytea[])) AND schedule.scheduled_at BETWEEN :earliest AND :latest
  AND schedule.status = 'QUEUED' AND schedule.scheduled_at <= :now AND send_by > :answer_by
  AND NOT EXISTS (
    SELECT FROM notification_outbox AS earlier
    WHERE earlier.idempotency_key = schedule.idempotency_key
      AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN'))
