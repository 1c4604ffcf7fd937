-- All that a message needs of the queued notifications of a batch: read before they are claimed, so that what is
-- claimed is on its way already and no lock waits for a text. What the claim (begin_attempts.sql) would leave alone is
-- left out. Walks the primary key of notification_schedule and the outbox's unique index on the key.
SELECT
  schedule.idempotency_key, schedule.scheduled_at, schedule.tenant_id, schedule.clinician_id, attempt_count, retry_count,
  channels, channel_position, send_by, late, template, occasion, event, occasion_date, perishable,
  -- within a dose's window it is late once it is no longer on time
  late OR (perishable AND schedule.scheduled_at + make_interval(mins => coalesce(on_time_minutes, 0)) <= :now)
    AS belated,
  medications.label AS medication, medications.timezone AS medication_zone,
  coalesce(due_at, schedule.scheduled_at) AS due_at, coalesce(closes_at, schedule.window_end) AS take_until,
  coalesce(person.email, tenants.contact_email) AS email, person.phone,
  tenants.name AS clinic_name, tenants.slug AS tenant, person.full_name, holder.full_name AS holder_name,
  license_type, state, license_number, person_dates.on_date AS first_date,
  coalesce(person.timezone, tenants.timezone) AS zone
FROM notification_schedule AS schedule
JOIN tenants USING (tenant_id)
JOIN clinicians AS person USING (clinician_id)
LEFT JOIN licenses USING (license_id)
LEFT JOIN person_dates USING (person_date_id)
LEFT JOIN medications USING (medication_id)
LEFT JOIN doses ON (doses.medication_id, doses.occurrence) = (schedule.medication_id, schedule.occurrence)
JOIN clinicians AS holder
  ON holder.clinician_id = coalesce(licenses.clinician_id, person_dates.clinician_id, medications.clinician_id)
WHERE schedule.idempotency_key = ANY (CAST(:keys AS bytea[])) AND schedule.scheduled_at BETWEEN :earliest AND :latest
  AND schedule.status = 'QUEUED' AND schedule.scheduled_at <= :now AND send_by > :answer_by
  AND NOT EXISTS (
    SELECT FROM notification_outbox AS earlier
    WHERE earlier.idempotency_key = schedule.idempotency_key
      AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN'))
