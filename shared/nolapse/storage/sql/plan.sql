-- Planning a tenant (:tenant_id) or all; :clinician_ids is NULL. See plan_changes.sql. Reads whole tables.
WITH
-- include expected
,
present AS NOT MATERIALIZED (  -- wide and long: read twice, not kept
  SELECT schedule.*
  FROM notification_schedule AS schedule
  WHERE CAST(:tenant_id AS uuid) IS NULL OR tenant_id = CAST(:tenant_id AS uuid)
),
-- include plan_changes
