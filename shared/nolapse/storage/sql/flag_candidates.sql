-- What flags may ask about the given rows: by ids, slug, state, event and channel. :earliest and :latest bound :times.
-- Walks the primary key.
SELECT
  idempotency_key, scheduled_at, slug AS tenant, schedule.clinician_id, occasion, event, channels, licenses.state
FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[])) AS given (idempotency_key, scheduled_at)
JOIN notification_schedule AS schedule USING (idempotency_key, scheduled_at)
JOIN tenants ON tenants.tenant_id = schedule.tenant_id
LEFT JOIN licenses USING (license_id)
WHERE schedule.scheduled_at BETWEEN :earliest AND :latest
