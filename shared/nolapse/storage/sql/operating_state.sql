-- How the engine stands: circuits (tenants' own, which would name the tenant, by their number), the last runs of each function,
-- connections by role, and the last complete reconciliation's drift. Walks scheduler_heartbeat_latest, once a function.
SELECT
  (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'service', provider, 'state', state, 'failures', failures, 'changed_at', changed_at, 'retry_at', retry_at)
      ORDER BY provider), '[]')
    FROM provider_circuit WHERE strpos(provider, ':') = 0) AS circuits,
  (SELECT count(*) FROM provider_circuit WHERE strpos(provider, ':') > 0 AND state <> 'CLOSED') AS tenant_circuits_open,
  (SELECT coalesce(jsonb_agg(jsonb_build_object(
      'function', function, 'started_at', began.started_at, 'finished_at', ended.finished_at) ORDER BY function), '[]')
    FROM unnest(CAST(:functions AS text[])) AS given (function)
    LEFT JOIN LATERAL (
      SELECT started_at FROM scheduler_heartbeat AS run WHERE run.function = given.function
      ORDER BY started_at DESC LIMIT 1
    ) AS began ON true
    LEFT JOIN LATERAL (
      SELECT finished_at FROM scheduler_heartbeat AS run
      WHERE run.function = given.function AND finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1
    ) AS ended ON true) AS heartbeats,
  (SELECT coalesce(jsonb_object_agg(role, open), '{}')
    FROM (
      SELECT usename AS role, count(*) AS open FROM pg_stat_activity
      WHERE datname = current_database() AND usename IS NOT NULL GROUP BY usename
    ) AS connections) AS connections,
  CAST(current_setting('max_connections') AS integer) AS most_connections,
  (SELECT CAST(counts ->> 'drift' AS integer) FROM scheduler_heartbeat
    WHERE function = 'reconcile' AND finished_at IS NOT NULL ORDER BY started_at DESC LIMIT 1) AS drift
