-- What should have reached people and did not: given up by a provider's fault, bounced, or held back by a flag. By default only
-- reasons that :retriable (a regular expression) takes; with :reason whatever was given up for what begins so.
-- Never what an attempt got through or may have got through, nor what would come too late: closed before :since, or of
-- no use after its window; nor of whom or what is no longer as it says: a person who left or was erased, a date that
-- moved; nor what is said up to the date of a licence that somebody says is renewed.
-- Reads the partitions from :since on, then notification_outbox by its unique key.
SELECT slug AS tenant, event, schedule.status, reason, idempotency_key, scheduled_at
FROM notification_schedule AS schedule
JOIN tenants USING (tenant_id)
-- include who_and_what
WHERE
-- include ended
  IS NULL
  AND schedule.status IN ('DEFERRED', 'BOUNCED', 'SUPPRESSED')
  AND scheduled_at > CAST(:since AS timestamptz) - interval '48 hours' AND scheduled_at <= :now
  AND window_end > :since AND (window_end > :now OR NOT perishable)
  AND (schedule.status <> 'SUPPRESSED' OR starts_with(reason, 'flag: '))
  AND CASE WHEN CAST(:reason AS text) IS NULL THEN reason ~ :retriable ELSE starts_with(reason, :reason) END
  AND (CAST(:tenant AS text) IS NULL OR slug = :tenant)
  AND (CAST(:event AS text) IS NULL OR event = :event)
  AND (CAST(:keys AS bytea[]) IS NULL OR schedule.idempotency_key = ANY (CAST(:keys AS bytea[])))
  AND NOT EXISTS (
    SELECT FROM notification_outbox AS attempt
    WHERE attempt.idempotency_key = schedule.idempotency_key
      AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN', 'UNPROVEN'))
  AND NOT EXISTS (
    SELECT FROM (
-- include last_answers
    ) AS last
    JOIN policy_version
      ON (policy_version.policy_id, policy_version.version) = (schedule.policy_id, schedule.policy_version)
    CROSS JOIN LATERAL jsonb_to_recordset(steps) AS step (event text, days integer)
    WHERE answer = 'RENEWED' AND step.event = schedule.event AND step.days <= 0)
ORDER BY window_end, idempotency_key
LIMIT :limit
