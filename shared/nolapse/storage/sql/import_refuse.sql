-- A job that failed before it began, or that was killed and then failed. Walks the primary key.
UPDATE imports SET status = 'FAILED', failure = :failure, counts = '{"uploaded": true}', finished_at = :now
WHERE import_id = :import_id AND status IN ('WAITING', 'RUNNING')
