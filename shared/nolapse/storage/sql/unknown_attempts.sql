-- What providers are to be asked about, one after the other: of each at most :limit, those first that nobody has asked
-- about for longest. Walks notification_outbox_unsettled.
SELECT *
FROM (
  SELECT
    attempt_id, idempotency_key, scheduled_at, provider, recipient, sender, body_sha256, handle, started_at, probes, late,
    channel_position, retry_count, channel = ANY (at_least_once) AS again, code, cardinality(channels) AS channels,
    row_number() OVER (PARTITION BY provider ORDER BY finished_at) AS turn
  FROM notification_outbox
  JOIN notification_schedule USING (idempotency_key, scheduled_at)
  JOIN tenants ON tenants.tenant_id = notification_outbox.tenant_id
  WHERE notification_schedule.scheduled_at <= :settled_before AND outcome = 'UNKNOWN' AND lease_until <= :settled_before
    AND notification_schedule.status IN ('UNKNOWN', 'HELD')
) AS unsettled
WHERE turn <= :limit
ORDER BY provider, turn
