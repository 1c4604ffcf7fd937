-- No planning run of the tenant meanwhile: both change several rows of one licence, each in its own order, and would wait
-- for one another. Then one answer about a licence's date at a time: each is judged beside the others.
SELECT
  pg_advisory_xact_lock_shared(hashtextextended('plan:' || tenant_id, 0)),
  pg_advisory_xact_lock(hashtextextended('answer:' || license_id || occurrence, 0))
FROM notification_schedule
WHERE (idempotency_key, scheduled_at) = (:key, :scheduled_at) AND license_id IS NOT NULL
