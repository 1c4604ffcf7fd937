-- What a provider is to be asked about, those first that nobody has asked about for longest.
-- Walks notification_outbox_unsettled.
SELECT attempt_id, idempotency_key, attempt_number, provider, recipient, started_at, late
FROM notification_outbox
JOIN notification_schedule USING (idempotency_key, scheduled_at)
WHERE notification_schedule.scheduled_at <= :settled_before AND outcome = 'UNKNOWN' AND lease_until <= :settled_before
ORDER BY finished_at
LIMIT :limit
