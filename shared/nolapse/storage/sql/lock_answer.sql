-- No planning run of the tenant meanwhile: both change several rows of one licence, each in its own order, and would wait
-- for one another. Then one answer to a notification at a time: a second one sees what the first one said.
SELECT
  pg_advisory_xact_lock_shared(hashtextextended('plan:' || CAST(:tenant_id AS uuid), 0)),
  pg_advisory_xact_lock(hashtextextended('answer:' || encode(CAST(:key AS bytea), 'hex'), 0))
