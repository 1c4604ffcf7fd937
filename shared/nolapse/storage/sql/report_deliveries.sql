-- A tenant's notifications whose windows opened from :since to before :until, by event, channel and state. The channel is that of
-- the attempt that got through, else the one that is or was next.
-- Walks notification_schedule_by_time, then the outbox's unique index on the key.
SELECT
  occasion, event, schedule.status, late,
  coalesce(attempt.channel, channels[least(channel_position, cardinality(channels))]) AS channel,
  count(*) AS messages
FROM notification_schedule AS schedule
LEFT JOIN LATERAL (
  SELECT outbox.channel FROM notification_outbox AS outbox
  WHERE outbox.idempotency_key = schedule.idempotency_key AND outcome = 'ACCEPTED'
  ORDER BY attempt_number DESC
  LIMIT 1
) AS attempt ON true
WHERE schedule.tenant_id = :tenant_id AND schedule.scheduled_at >= :since AND schedule.scheduled_at < :until
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
