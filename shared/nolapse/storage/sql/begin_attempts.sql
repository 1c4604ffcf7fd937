-- One round trip claims a whole batch: QUEUED becomes SENDING, each with an attempt and a lease, and all that a
-- message needs comes back. Committed BEFORE the provider is called: a crash then leaves a lease that runs out.
-- A row is left alone when it is not QUEUED (a repeated message), its window closes before an answer could come,
-- or an earlier attempt got or may have got through.
WITH wanted AS (
  SELECT idempotency_key, scheduled_at
  FROM unnest(CAST(:keys AS bytea[]), CAST(:times AS timestamptz[])) AS message (idempotency_key, scheduled_at)
),
claimed AS (
  UPDATE notification_schedule AS schedule
  SET status = 'SENDING', attempt_count = attempt_count + 1, updated_at = :now
  FROM wanted
  WHERE (schedule.idempotency_key, schedule.scheduled_at) = (wanted.idempotency_key, wanted.scheduled_at)
    AND status = 'QUEUED'
    AND send_by > :answer_by
    AND NOT EXISTS (
      SELECT FROM notification_outbox AS earlier
      WHERE earlier.idempotency_key = schedule.idempotency_key
        AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN'))
  RETURNING schedule.*
),
attempt AS (
  INSERT INTO notification_outbox (
    idempotency_key, tenant_id, attempt_number, scheduled_at, started_at, lease_until, channel, provider, recipient,
    template)
  SELECT
    idempotency_key, claimed.tenant_id, attempt_count, scheduled_at, :now, :lease_until, 'EMAIL', :provider,
    coalesce(clinicians.email, tenants.contact_email), CASE WHEN late THEN 'late' ELSE template END
  FROM claimed
  JOIN clinicians USING (tenant_id, clinician_id)
  JOIN tenants USING (tenant_id)
  RETURNING attempt_id, idempotency_key, attempt_number, recipient, template
)
SELECT
  attempt_id, idempotency_key, attempt_number, recipient, attempt.template, late,
  tenants.name AS clinic_name, license_type, state, license_number, expires_on,
  coalesce(clinicians.timezone, tenants.timezone) AS zone
FROM attempt
JOIN claimed USING (idempotency_key)
JOIN clinicians USING (tenant_id, clinician_id)
JOIN licenses USING (tenant_id, license_id)
JOIN tenants USING (tenant_id)
