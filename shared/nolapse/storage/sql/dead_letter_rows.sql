-- What became of the rows that dead letters name, and of the runs that they lost: a function that has run to its end
-- since its letter was sent (:arns, :sent) has done that letter's work. Walks primary keys and scheduler_heartbeat's index.
SELECT
  given.position, schedule.tenant_id, slug AS tenant, event, status,
  EXISTS (
    SELECT FROM scheduler_heartbeat
    WHERE started_at > sent AND finished_at IS NOT NULL
      AND strpos(lower(arn), replace(function, '_', '') || 'function') > 0
  ) AS done_since
FROM unnest(
  CAST(:keys AS bytea[]), CAST(:times AS timestamptz[]), CAST(:arns AS text[]), CAST(:sent AS timestamptz[])
) WITH ORDINALITY AS given (idempotency_key, scheduled_at, arn, sent, position)
LEFT JOIN notification_schedule AS schedule
  ON (schedule.idempotency_key, schedule.scheduled_at) = (given.idempotency_key, given.scheduled_at)
LEFT JOIN tenants USING (tenant_id)
ORDER BY given.position
