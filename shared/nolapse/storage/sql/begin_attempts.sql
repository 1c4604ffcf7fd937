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
    AND status = 'QUEUED' AND schedule.scheduled_at <= :now
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
    coalesce(clinicians.email, tenants.contact_email), template
  FROM claimed
  JOIN clinicians USING (tenant_id, clinician_id)
  JOIN tenants USING (tenant_id)
  RETURNING attempt_id, idempotency_key, attempt_number, recipient, template
)
SELECT
  attempt_id, claimed.tenant_id, idempotency_key, claimed.scheduled_at, attempt_number, recipient, attempt.template, late, occasion_date,
  -- within a dose's window it is late once it is no longer on time
  late OR (perishable AND claimed.scheduled_at + make_interval(mins => coalesce(on_time_minutes, 0)) <= :now) AS belated,
  medications.label AS medication, medications.timezone AS medication_zone,
  coalesce(due_at, claimed.scheduled_at) AS due_at, coalesce(closes_at, claimed.window_end) AS take_until,
  tenants.name AS clinic_name, person.full_name, holder.full_name AS holder_name,
  license_type, state, license_number, person_dates.on_date AS first_date,
  coalesce(person.timezone, tenants.timezone) AS zone
FROM attempt
JOIN claimed USING (idempotency_key)
JOIN tenants USING (tenant_id)
JOIN clinicians AS person USING (clinician_id)
LEFT JOIN licenses USING (license_id)
LEFT JOIN person_dates USING (person_date_id)
LEFT JOIN medications USING (medication_id)
LEFT JOIN doses ON (doses.medication_id, doses.occurrence) = (claimed.medication_id, claimed.occurrence)
JOIN clinicians AS holder
  ON holder.clinician_id = coalesce(licenses.clinician_id, person_dates.clinician_id, medications.clinician_id)
