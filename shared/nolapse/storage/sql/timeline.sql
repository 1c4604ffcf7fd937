-- Everything about one person's dates, or one licence's: what is stored, what is called for and not stored (beyond the
-- horizon), each with its attempts and what the audit log says became of it.
-- Parameters: those of expected.sql with :clinician_ids, the holders; :license_id, NULL for all of their dates.
-- Walks licenses_by_clinician, notification_schedule_by_license, _by_person_date and _by_medication, then keys and subjects.
WITH
-- include expected
,
present AS (
  SELECT schedule.*, licenses.clinician_id AS holder_id
  FROM licenses
  JOIN notification_schedule AS schedule USING (tenant_id, license_id)
  WHERE licenses.clinician_id = ANY (CAST(:clinician_ids AS uuid[]))
  UNION ALL
  SELECT schedule.*, person_dates.clinician_id
  FROM person_dates
  JOIN notification_schedule AS schedule USING (person_date_id)
  WHERE person_dates.clinician_id = ANY (CAST(:clinician_ids AS uuid[]))
  UNION ALL
  SELECT schedule.*, medications.clinician_id
  FROM medications
  JOIN notification_schedule AS schedule USING (tenant_id, medication_id)
  WHERE medications.clinician_id = ANY (CAST(:clinician_ids AS uuid[]))
),
known AS (
  SELECT
    idempotency_key, clinician_id, license_id, person_date_id, medication_id, occasion, occurrence, occasion_date, event, template,
    channels, scheduled_at, window_end, status, late, reason, send_by
  FROM present
  UNION ALL
  SELECT
    idempotency_key, clinician_id, license_id, person_date_id, medication_id, occasion, occurrence, occasion_date, event, template,
    channels, scheduled_at, window_end,
    CASE WHEN scheduled_at >= CAST(:stored_until AS timestamptz) THEN 'BEYOND_HORIZON' ELSE 'NOT_PLANNED' END,
    false, NULL, NULL
  FROM expected
  WHERE NOT EXISTS (
      SELECT FROM present
      WHERE (present.idempotency_key, present.scheduled_at) = (expected.idempotency_key, expected.scheduled_at))
    AND NOT EXISTS (  -- told, or dropped with a reason, when it fell on another instant
      SELECT FROM present
      WHERE (present.subject_id, present.event, present.occurrence, present.clinician_id)
          = (expected.subject_id, expected.event, expected.occurrence, expected.clinician_id)
        AND present.status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED'))
)
SELECT
  known.*, full_name AS recipient, coalesce(clinicians.timezone, tenants.timezone) AS zone,
  license_type, state, license_number,
  ARRAY(
    SELECT jsonb_build_object(
      'at', started_at, 'number', attempt_number, 'channel', channel, 'provider', provider, 'outcome', outcome,
      'code', code)
    FROM notification_outbox AS attempt
    WHERE attempt.idempotency_key = known.idempotency_key
    ORDER BY attempt_number
  ) AS attempts,
  ARRAY(
    SELECT jsonb_build_object('at', at, 'actor', actor, 'from', from_status, 'to', to_status, 'reason', audit_log.reason)
    FROM audit_log
    WHERE subject = 'notification:' || encode(known.idempotency_key, 'hex') AND action = 'notification.transition'
    ORDER BY seq
  ) AS transitions
FROM known
JOIN clinicians USING (clinician_id)
JOIN tenants USING (tenant_id)
LEFT JOIN licenses USING (license_id)
WHERE CAST(:license_id AS uuid) IS NULL OR known.license_id = CAST(:license_id AS uuid)
ORDER BY scheduled_at, event, recipient, known.idempotency_key
