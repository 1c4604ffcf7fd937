-- A job begins, or begins again: it waited for its register, or S3 told of the register twice. Walks the primary key.
INSERT INTO imports AS job (import_id, tenant_id, source_name, sha256, status, mapping, date_order, started_at)
VALUES (:import_id, :tenant_id, :source_name, :sha256, 'RUNNING', CAST(:mapping AS jsonb), :date_order, :now)
ON CONFLICT (import_id) DO UPDATE
SET sha256 = excluded.sha256, status = 'RUNNING', mapping = excluded.mapping, date_order = excluded.date_order,
    counts = '{}', failure = NULL, finished_at = NULL
WHERE job.tenant_id = excluded.tenant_id
