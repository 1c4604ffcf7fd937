-- A job whose register was refused before it began. Walks the primary key.
UPDATE imports SET status = 'FAILED', failure = :failure, finished_at = :now
WHERE import_id = :import_id AND status = 'WAITING'
