-- What a provider is to be asked about, those first that nobody has asked about for longest.
-- Walks notification_outbox_unsettled.
SELECT
  attempt_id, idempotency_key, scheduled_at, provider, recipient, sender, body_sha256, handle, started_at, probes, late,
  channel_position, retry_count, channel = ANY (at_least_once) AS again
FROM notification_outbox
JOIN notification_schedule USING (idempotency_key, scheduled_at)
JOIN tenants ON tenants.tenant_id = notification_outbox.tenant_id
WHERE notification_schedule.scheduled_at <= :settled_before AND outcome = 'UNKNOWN' AND lease_until <= :settled_before
  AND notification_schedule.status IN ('UNKNOWN', 'HELD')
ORDER BY finished_at
LIMIT :limit
