-- Which tenants' schedules are not what their dates call for, and the rows that the moved horizon brings.
-- Parameters: those of expected.sql for the whole base; :promised, the horizon of the last complete run (after :now).
--
-- Ahead of :now nearly every row still waits, so a count and a sum of hashes a tenant compares the two sides; behind it
-- what was sent stays where it was sent, so rows are matched one by one. Whatever this can't judge counts as different:
-- the full comparison (plan.sql) of that tenant then finds what it is, or that it is nothing.
-- Reads notification_schedule once.
WITH
-- include expected
,
behind AS MATERIALIZED (
  SELECT
    owed.idempotency_key AS owed_key, stored.idempotency_key AS stored_key, stored.status,
    coalesce(owed.tenant_id, stored.tenant_id) AS tenant_id,
    coalesce(owed.clinician_id, stored.clinician_id) AS clinician_id,
    coalesce(owed.subject_id, stored.subject_id) AS subject_id,
    coalesce(owed.event, stored.event) AS event,
    coalesce(owed.occurrence, stored.occurrence) AS occurrence,
    (owed.tenant_id, owed.clinician_id, owed.subject_id, owed.template)
      = (stored.tenant_id, stored.clinician_id, stored.subject_id, stored.template)
      AND (stored.status NOT IN ('PENDING', 'LATE_PENDING') OR (
        (owed.window_end, owed.occurrence, owed.occasion_date, owed.event, owed.channels, owed.perishable,
          coalesce(owed.unless_event, ''), owed.policy_id, owed.policy_version)
        = (stored.window_end, stored.occurrence, stored.occasion_date, stored.event, stored.channels, stored.perishable,
          coalesce(stored.unless_event, ''), stored.policy_id, stored.policy_version)
        AND (stored.late OR (stored.send_by = owed.window_end
          AND (stored.attempt_count > 0 OR stored.next_attempt_at
            BETWEEN owed.scheduled_at AND CAST(:now AS timestamptz) + interval '1 day'))))) AS alike
  FROM (SELECT * FROM expected WHERE scheduled_at <= :now) AS owed
  FULL JOIN (SELECT * FROM notification_schedule WHERE scheduled_at <= :now) AS stored
    ON (stored.idempotency_key, stored.scheduled_at) = (owed.idempotency_key, owed.scheduled_at)
),
outlived AS MATERIALIZED (  -- settled where nothing is expected any more: it stands for what is expected elsewhere now
  SELECT DISTINCT subject_id, event, occurrence, clinician_id
  FROM behind
  WHERE owed_key IS NULL AND status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED')
),
owed_digest AS (
  SELECT
    tenant_id, count(*) AS row_count,
    sum(hash_record_extended(ROW(
      idempotency_key, scheduled_at, window_end, clinician_id, license_id, person_date_id, medication_id,
      occasion_date, occurrence, event, template, channels, perishable, unless_event, policy_id, policy_version, true), 0)) AS hash_sum
  FROM expected
  WHERE scheduled_at > :now AND scheduled_at < CAST(:promised AS timestamptz)
    AND NOT EXISTS (
      SELECT FROM outlived
      WHERE (outlived.subject_id, outlived.event, outlived.occurrence, outlived.clinician_id)
        = (expected.subject_id, expected.event, expected.occurrence, expected.clinician_id))
  GROUP BY tenant_id
),
stored_digest AS (
  SELECT
    tenant_id, count(*) AS row_count,
    sum(hash_record_extended(ROW(
      idempotency_key, scheduled_at, window_end, clinician_id, license_id, person_date_id, medication_id,
      occasion_date, occurrence, event, template, channels, perishable, unless_event, policy_id, policy_version,
      status NOT IN ('PENDING', 'LATE_PENDING') OR (
        NOT late AND send_by = window_end AND (attempt_count > 0 OR next_attempt_at = scheduled_at))), 0)) AS hash_sum
  FROM notification_schedule
  WHERE scheduled_at > :now AND scheduled_at < CAST(:promised AS timestamptz) AND status <> 'CANCELLED'
  GROUP BY tenant_id
),
beyond AS MATERIALIZED (
  SELECT tenant_id, idempotency_key, scheduled_at, status
  FROM notification_schedule
  WHERE scheduled_at >= CAST(:promised AS timestamptz)
),
extended AS (
  INSERT INTO notification_schedule (
    idempotency_key, tenant_id, clinician_id, license_id, person_date_id, medication_id, policy_id, policy_version,
    occurrence, occasion_date, channels, perishable, unless_event, scheduled_at, window_end, next_attempt_at, send_by, created_at, updated_at, status,
    occasion, event, template)
  SELECT
    idempotency_key, tenant_id, clinician_id, license_id, person_date_id, medication_id, policy_id, policy_version,
    occurrence, occasion_date, channels, perishable, unless_event, scheduled_at, window_end, scheduled_at, window_end, :now, :now, 'PENDING',
    occasion, event, template
  FROM expected
  WHERE scheduled_at >= CAST(:promised AS timestamptz)
    AND NOT EXISTS (
      SELECT FROM beyond
      WHERE (beyond.idempotency_key, beyond.scheduled_at) = (expected.idempotency_key, expected.scheduled_at))
    AND NOT EXISTS (
      SELECT FROM outlived
      WHERE (outlived.subject_id, outlived.event, outlived.occurrence, outlived.clinician_id)
        = (expected.subject_id, expected.event, expected.occurrence, expected.clinician_id))
  ON CONFLICT (idempotency_key, scheduled_at) DO NOTHING
  RETURNING tenant_id
),
differing AS (
  SELECT tenant_id
  FROM behind
  LEFT JOIN (SELECT *, true AS found FROM outlived) AS outlived USING (subject_id, event, occurrence, clinician_id)
  WHERE CASE
    WHEN owed_key IS NULL THEN status IN ('PENDING', 'LATE_PENDING')
    WHEN stored_key IS NULL OR status = 'CANCELLED' THEN found IS NULL
    ELSE alike IS NOT TRUE OR (found AND status IN ('PENDING', 'LATE_PENDING'))
  END
  UNION
  SELECT tenant_id
  FROM owed_digest AS owed
  FULL JOIN stored_digest AS stored USING (tenant_id)
  WHERE (owed.row_count, owed.hash_sum) IS DISTINCT FROM (stored.row_count, stored.hash_sum)
  UNION
  SELECT tenant_id
  FROM beyond
  WHERE status IN ('PENDING', 'LATE_PENDING')
    AND NOT EXISTS (
      SELECT FROM expected
      WHERE (beyond.idempotency_key, beyond.scheduled_at) = (expected.idempotency_key, expected.scheduled_at))
)
SELECT tenant_id, 'extended' AS found, count(*) AS rows FROM extended GROUP BY tenant_id
UNION ALL
SELECT tenant_id, 'differing', 0 FROM differing
