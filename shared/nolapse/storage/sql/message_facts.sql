-- All that a message needs of notifications, which the including statement chooses; late or not as of :now.
-- Walks the unique key of suppressions on addresses.
SELECT
  schedule.idempotency_key, schedule.scheduled_at, schedule.tenant_id, schedule.clinician_id, attempt_count, retry_count,
  channels, channel_position, send_by, late, template, occasion, event, occasion_date, perishable,
  -- within a dose's window it is late once it is no longer on time
  late OR (perishable AND schedule.scheduled_at + make_interval(mins => coalesce(on_time_minutes, 0)) <= :now)
    AS belated,
  medications.label AS medication, medications.timezone AS medication_zone,
  coalesce(due_at, schedule.scheduled_at) AS due_at, coalesce(closes_at, schedule.window_end) AS take_until,
  coalesce(person.email, tenants.contact_email) AS email, person.phone, person.whatsapp,
  tenant_webhooks.url AS webhook, person.external_id AS person_id, holder.external_id AS holder_id,
  -- a desk's address is many people's: nobody may leave in their place
  lower(person.email) <> lower(tenants.contact_email) IS TRUE AS may_unsubscribe,
  ARRAY(
    SELECT DISTINCT channel
    FROM suppressions
    WHERE suppressions.tenant_id = schedule.tenant_id AND in_force
      AND address_sha256 IN (address_digest(coalesce(person.email, tenants.contact_email)), address_digest(person.phone),
        address_digest(person.whatsapp))
    ORDER BY channel
  ) AS suppressed,
  -- of whom we don't know where they live: wherever they hold a licence
  ARRAY(
    SELECT DISTINCT held.state FROM licenses AS held
    WHERE (held.tenant_id, held.clinician_id) = (person.tenant_id, person.clinician_id)
      AND held.status = 'ACTIVE' AND held.state IS NOT NULL
  ) AS states,
  tenants.name AS clinic_name, tenants.slug AS tenant, person.full_name, holder.full_name AS holder_name,
  license_type, state, license_number, person_dates.on_date AS first_date,
  coalesce(person.timezone, tenants.timezone) AS zone,
-- include ended
  AS ended
FROM notification_schedule AS schedule
JOIN tenants USING (tenant_id)
JOIN clinicians AS person USING (clinician_id)
LEFT JOIN tenant_webhooks ON tenant_webhooks.tenant_id = tenants.tenant_id AND disabled_at IS NULL
LEFT JOIN licenses USING (license_id)
LEFT JOIN person_dates USING (person_date_id)
LEFT JOIN medications USING (medication_id)
LEFT JOIN doses ON (doses.medication_id, doses.occurrence) = (schedule.medication_id, schedule.occurrence)
JOIN clinicians AS holder
  ON holder.clinician_id = coalesce(licenses.clinician_id, person_dates.clinician_id, medications.clinician_id)
