-- What became of the reminders of licences whose windows opened from :since to before :until, by tenant and event: how
-- many left, what was answered to them in the end, and the median time from leaving to the first answer.
-- Reads those months of notification_schedule once, then walks the outbox's unique index on the key and
-- acknowledgements_by_notification.
SELECT
  tenants.slug AS tenant, event,
  count(*) AS sent,
  count(*) FILTER (WHERE last_answer = 'RENEWED') AS renewed,
  count(*) FILTER (WHERE last_answer = 'IN_PROGRESS') AS in_progress,
  count(*) FILTER (WHERE last_answer = 'NOT_MINE') AS not_mine,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY first_at - left_at) AS median_time
FROM notification_schedule AS notice
JOIN tenants USING (tenant_id)
JOIN LATERAL (
  SELECT max(finished_at) AS left_at
  FROM notification_outbox AS attempt
  WHERE attempt.idempotency_key = notice.idempotency_key AND outcome = 'ACCEPTED'
) AS attempt ON true
LEFT JOIN LATERAL (
  SELECT min(at) AS first_at, (array_agg(answer ORDER BY at DESC, acknowledgement_id DESC))[1] AS last_answer
  FROM acknowledgements
  WHERE acknowledgements.idempotency_key = notice.idempotency_key
) AS answered ON true
WHERE notice.scheduled_at >= :since AND notice.scheduled_at < :until
  AND license_id IS NOT NULL AND notice.status IN ('SENT', 'DELIVERED', 'BOUNCED')
GROUP BY tenants.slug, event
ORDER BY tenants.slug, event
