-- What took a message, or judged it, is in reach.
UPDATE provider_circuit
SET state = 'CLOSED', failures = 0, openings = 0, retry_at = NULL, changed_at = :now
WHERE provider = ANY (CAST(:providers AS text[])) AND (state <> 'CLOSED' OR failures > 0)
