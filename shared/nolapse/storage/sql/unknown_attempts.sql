-- What a provider is to be asked about, oldest first. Walks notification_outbox_unsettled.
SELECT attempt_id, idempotency_key, attempt_number, provider, recipient, started_at, late
FROM notification_outbox
JOIN notification_schedule USING (idempotency_key, scheduled_at)
WHERE notification_schedule.scheduled_at <= :settled_before AND outcome = 'UNKNOWN' AND finished_at <= :settled_before
ORDER BY lease_until
LIMIT :limit
