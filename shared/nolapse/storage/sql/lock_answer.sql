-- One answer to a notification at a time: a second one sees what the first one said.
SELECT pg_advisory_xact_lock(hashtextextended('answer:' || encode(CAST(:key AS bytea), 'hex'), 0))
