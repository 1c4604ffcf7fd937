INSERT INTO imports (import_id, tenant_id, source_name, sha256, status, mapping, date_order, started_at)
VALUES (:import_id, :tenant_id, :source_name, :sha256, 'RUNNING', CAST(:mapping AS jsonb), :date_order, :now)
