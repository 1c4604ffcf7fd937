-- These notifications and the attempts at them, kept from being changed until this transaction ends, and whether any may
-- be leaving just now. Attempts first, as whoever settles them goes (lock_receipted), and all of it before anything is
-- changed, and so before the audit log is locked. Walks the outbox's unique index on the key and
-- notification_schedule_pkey.
WITH attempts AS MATERIALIZED (
  SELECT attempt_id
  FROM notification_outbox
  WHERE idempotency_key = ANY (CAST(:keys AS bytea[]))
  ORDER BY attempt_id
  FOR NO KEY UPDATE
),
told AS MATERIALIZED (
  SELECT status
  FROM notification_schedule
  WHERE idempotency_key = ANY (CAST(:keys AS bytea[])) AND (SELECT count(*) FROM attempts) >= 0
  ORDER BY idempotency_key
  FOR NO KEY UPDATE
)
SELECT count(*) FILTER (WHERE status IN ('SENDING', 'UNKNOWN')) > 0 FROM told
