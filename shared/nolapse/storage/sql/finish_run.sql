-- A run that fails keeps finished_at NULL: its heartbeat says when it began and that it did not end.
UPDATE scheduler_heartbeat SET finished_at = :now, counts = CAST(:counts AS jsonb) WHERE run_id = :run_id
