-- What became of the rows that dead letters name, and of the runs that they lost: a function that has run to its end
-- since its letter was sent (:arns, :sent) has done that letter's work; a lost import (:tenants, :files) only where that
-- file has been imported since. Walks primary keys and scheduler_heartbeat's index.
SELECT
  given.position, schedule.tenant_id, slug AS tenant, event, status,
  EXISTS (
    SELECT FROM scheduler_heartbeat
    WHERE started_at > sent AND finished_at IS NOT NULL
      AND strpos(lower(arn), replace(function, '_', '') || 'function') > 0
  ) OR EXISTS (
    SELECT FROM imports
    JOIN tenants AS owner ON owner.tenant_id = imports.tenant_id
    WHERE owner.slug = given.tenant AND source_name = given.file
      AND started_at > sent AND imports.status = 'DONE'
  ) AS done_since
FROM unnest(
  CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:arns AS text[]), CAST(:sent AS timestamptz[]),
  CAST(:tenants AS text[]), CAST(:files AS text[])
) WITH ORDINALITY AS given (idempotency_key, scheduled_at, arn, sent, tenant, file, position)
LEFT JOIN notification_schedule AS schedule
  ON (schedule.idempotency_key, schedule.scheduled_at) = (given.idempotency_key, given.scheduled_at)
LEFT JOIN tenants USING (tenant_id)
ORDER BY given.position
