-- One notification as its message would be now, in whatever state it is. Parameters: :keys, :times, :now. Walks the primary key.
-- include message_facts
WHERE schedule.idempotency_key = ANY (CAST(:keys AS bytea[])) AND schedule.scheduled_at = ANY (CAST(:times AS timestamptz[]))
