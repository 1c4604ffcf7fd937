-- Walks scheduler_heartbeat_latest.
SELECT
  (SELECT max(version_num) FROM alembic_version) AS schema_version,
  EXISTS (SELECT FROM zone_offset) AS zones_loaded,
  EXISTS (
    SELECT FROM scheduler_heartbeat
    WHERE function = 'scan' AND finished_at IS NOT NULL AND started_at > now() - interval '5 minutes'
  ) AS scan_is_fresh,
  -- not tenants' endpoints, which would name the tenant
  ARRAY(SELECT provider FROM provider_circuit WHERE state <> 'CLOSED' AND strpos(provider, ':') = 0 ORDER BY provider)
    AS out_of_reach
