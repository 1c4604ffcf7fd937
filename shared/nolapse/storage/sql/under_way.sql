-- Whether any of these may be leaving just now. Walks notification_schedule_pkey.
SELECT EXISTS (
  SELECT FROM notification_schedule
  WHERE idempotency_key = ANY (CAST(:keys AS bytea[])) AND status IN ('SENDING', 'UNKNOWN'))
