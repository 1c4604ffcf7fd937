-- When a tenant's messages left, against the windows that were promised from :since to before :until, by event: in them, or so many
-- seconds after their end. Walks notification_schedule_by_time, then the outbox's unique index on the key.
SELECT
  occasion, event,
  count(*) AS sent,
  count(*) FILTER (WHERE left_at < window_end) AS in_window,
  count(*) FILTER (WHERE left_at >= window_end) AS late,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM left_at - window_end))
    FILTER (WHERE left_at >= window_end) AS median_late_seconds,
  max(extract(epoch FROM left_at - window_end)) FILTER (WHERE left_at >= window_end) AS most_late_seconds
FROM notification_schedule AS schedule
JOIN LATERAL (
  SELECT max(finished_at) AS left_at
  FROM notification_outbox AS outbox
  WHERE outbox.idempotency_key = schedule.idempotency_key AND outcome = 'ACCEPTED'
) AS attempt ON left_at IS NOT NULL
WHERE schedule.tenant_id = :tenant_id AND schedule.scheduled_at >= :since AND schedule.scheduled_at < :until
GROUP BY 1, 2
ORDER BY 1, 2
