-- How far a job is. Walks the primary key.
UPDATE imports SET counts = CAST(:progress AS jsonb) WHERE import_id = :import_id AND status = 'RUNNING'
