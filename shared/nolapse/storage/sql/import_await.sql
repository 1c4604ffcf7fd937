-- A job that waits for its register to be uploaded.
INSERT INTO imports (import_id, tenant_id, source_name, status, mapping, started_at)
VALUES (:import_id, :tenant_id, :source_name, 'WAITING', '{}', :now)
