-- One request counted: for who asks, whether or not it is then let through, and for their tenant while they are within
-- the :most of their own, so that nobody's refused requests use up what the others may make. Who asks comes first: no two
-- wait for one another. A slot is a minute; :now is the time of the request. Walks api_pace's primary key.
WITH caller AS (
  INSERT INTO api_pace AS pace (tenant_id, subject, slot, used)
  VALUES (:tenant_id, :subject, date_trunc('minute', CAST(:now AS timestamptz)), 1)
  ON CONFLICT (tenant_id, subject) DO UPDATE SET
    used = CASE WHEN pace.slot >= excluded.slot THEN pace.used + 1 ELSE 1 END,
    slot = greatest(pace.slot, excluded.slot)
  RETURNING used
),
tenant AS (
  INSERT INTO api_pace AS pace (tenant_id, subject, slot, used)
  SELECT :tenant_id, '', date_trunc('minute', CAST(:now AS timestamptz)), 1 FROM caller WHERE used <= :most
  ON CONFLICT (tenant_id, subject) DO UPDATE SET
    used = CASE WHEN pace.slot >= excluded.slot THEN pace.used + 1 ELSE 1 END,
    slot = greatest(pace.slot, excluded.slot)
  RETURNING used
)
SELECT caller.used AS by_caller, coalesce(tenant.used, 0) AS by_tenant FROM caller LEFT JOIN tenant ON true
