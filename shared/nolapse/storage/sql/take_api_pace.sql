-- One request counted for who asks and for their tenant, whether or not it is then let through; in one order, so that
-- no two wait for one another. A slot is a minute; :now is the time of the request. Walks api_pace's primary key.
INSERT INTO api_pace AS pace (tenant_id, subject, slot, used)
SELECT CAST(:tenant_id AS uuid), subject, date_trunc('minute', CAST(:now AS timestamptz)), 1
FROM unnest(CAST(:subjects AS text[])) WITH ORDINALITY AS given (subject, position)
ORDER BY position
ON CONFLICT (tenant_id, subject) DO UPDATE SET
  used = CASE WHEN pace.slot >= excluded.slot THEN pace.used + 1 ELSE 1 END,
  slot = greatest(pace.slot, excluded.slot)
RETURNING subject, used
