-- Walks the primary key.
UPDATE imports
SET status = :status, counts = CAST(:counts AS jsonb), failure = :failure, finished_at = :finished_at
WHERE import_id = :import_id
