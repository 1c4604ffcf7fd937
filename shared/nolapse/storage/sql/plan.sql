-- Planning is this one statement: what is expected, compared with what is there, and the difference applied.
-- Scope: :tenant_id and :license_ids, NULL meaning all. Times: :now, :horizon (rows are stored for windows that
-- open before it), :late_since (windows that closed before it are too old to be sent late).
--
-- A notification is one per (license, event, date), whatever instant that falls on: once it is in flight, sent
-- or dropped with a reason it stays as it is, also when a changed zone or policy would put it elsewhere.
-- Walks licenses_by_clinician and notification_schedule_by_license for a narrow scope, whole tables for all.
WITH subject AS (
  SELECT
    licenses.tenant_id, clinician_id, license_id, license_type, coalesce(state, '') AS state, expires_on,
    coalesce(clinicians.timezone, tenants.timezone) AS zone
  FROM licenses
  JOIN clinicians USING (tenant_id, clinician_id)
  JOIN tenants USING (tenant_id)
  WHERE status = 'ACTIVE' AND expires_on IS NOT NULL
    AND (CAST(:tenant_id AS uuid) IS NULL OR licenses.tenant_id = CAST(:tenant_id AS uuid))
    AND (CAST(:license_ids AS uuid[]) IS NULL OR license_id = ANY (CAST(:license_ids AS uuid[])))
),
kind AS (
  SELECT DISTINCT tenant_id, license_type, state FROM subject
),
rule AS (  -- the most specific active policy of each kind of licence
  SELECT DISTINCT ON (kind.tenant_id, kind.license_type, kind.state)
    kind.tenant_id, kind.license_type, kind.state, policy_id, version, opens, closes, steps
  FROM kind
  JOIN renewal_policies AS policy
    ON (policy.tenant_id IS NULL OR policy.tenant_id = kind.tenant_id)
    AND (policy.license_type IS NULL OR policy.license_type = kind.license_type)
    AND (policy.state IS NULL OR policy.state = kind.state)
  JOIN policy_version USING (policy_id)
  WHERE policy_version.status = 'ACTIVE'
  ORDER BY kind.tenant_id, kind.license_type, kind.state,
    policy.tenant_id IS NULL, policy.license_type IS NULL, policy.state IS NULL
),
step AS (
  SELECT rule.*, given.event, given.days, given.template
  FROM rule
  CROSS JOIN LATERAL jsonb_to_recordset(steps) AS given (event text, days integer, template text)
),
called_for AS (
  SELECT subject.*, policy_id, version, opens, closes, event, template, expires_on + days AS on_date
  FROM subject
  JOIN step USING (tenant_id, license_type, state)
),
opening AS MATERIALIZED (  -- each local window once: many licences share a zone and a date
  SELECT
    zone, on_date, opens, closes,
    (on_date + opens - at_opening.utc_offset) AT TIME ZONE 'UTC' AS window_start,
    (on_date + closes - at_closing.utc_offset) AT TIME ZONE 'UTC' AS window_end
  FROM (SELECT DISTINCT zone, on_date, opens, closes FROM called_for) AS local_window
  CROSS JOIN LATERAL (
    SELECT utc_offset FROM zone_offset
    WHERE zone_offset.zone = local_window.zone AND local_from <= on_date + opens
    ORDER BY local_from DESC LIMIT 1
  ) AS at_opening
  CROSS JOIN LATERAL (
    SELECT utc_offset FROM zone_offset
    WHERE zone_offset.zone = local_window.zone AND local_from <= on_date + closes
    ORDER BY local_from DESC LIMIT 1
  ) AS at_closing
),
expected AS MATERIALIZED (
  SELECT
    tenant_id, clinician_id, license_id, policy_id, version AS policy_version,
    'LICENSE_EXPIRY' AS occasion, event, template, expires_on AS occasion_date, window_start AS scheduled_at,
    -- a window that a clock change swallows keeps its nominal length
    CASE WHEN window_end > window_start THEN window_end ELSE window_start + (closes - opens) END AS window_end,
    sha256(convert_to(
      concat_ws('|', clinician_id, license_id, template, extract(epoch FROM window_start)::bigint), 'UTF8'
    )) AS idempotency_key
  FROM called_for
  JOIN opening USING (zone, on_date, opens, closes)
  WHERE window_start < :horizon
),
present AS (
  SELECT schedule.*
  FROM notification_schedule AS schedule
  WHERE (CAST(:tenant_id AS uuid) IS NULL OR tenant_id = CAST(:tenant_id AS uuid))
    AND (CAST(:license_ids AS uuid[]) IS NULL OR license_id = ANY (CAST(:license_ids AS uuid[])))
),
settled AS (
  SELECT license_id, event, occasion_date
  FROM present
  WHERE status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED')
),
wanting AS (  -- expected, and either not there or not as it should be
  SELECT
    expected.*,
    CASE
      WHEN present.status IS NULL THEN 'inserted'
      WHEN present.status = 'CANCELLED' THEN 'revived'
      ELSE 'restored'
    END AS change
  FROM expected
  LEFT JOIN present USING (idempotency_key, scheduled_at)
  WHERE (
      present.status IS NULL
      OR present.status = 'CANCELLED'
      OR (present.status IN ('PENDING', 'LATE_PENDING') AND (
        (present.window_end, present.occasion_date, present.event, present.policy_id, present.policy_version)
          <> (expected.window_end, expected.occasion_date, expected.event, expected.policy_id, expected.policy_version)
        OR (NOT present.late AND (
          present.send_by <> expected.window_end
          OR (present.attempt_count = 0 AND present.next_attempt_at <> expected.scheduled_at)))))
    )
    AND NOT EXISTS (
      SELECT FROM settled
      WHERE (settled.license_id, settled.event, settled.occasion_date)
        = (expected.license_id, expected.event, expected.occasion_date))
),
fresh AS (
  SELECT
    wanting.*, state.status, state.attempt_count, state.claimed_at,
    state.status = 'LATE_PENDING' AS late,
    CASE state.status WHEN 'PENDING' THEN scheduled_at WHEN 'LATE_PENDING' THEN 'infinity' END AS next_attempt_at,
    CASE state.status WHEN 'PENDING' THEN window_end WHEN 'LATE_PENDING' THEN 'infinity' END AS send_by,
    CASE state.status WHEN 'SUPPRESSED' THEN 'window closed before the lookback' END AS reason
  FROM wanting
  -- a row that was lost after its message left comes back as sent, not to be sent again
  LEFT JOIN LATERAL (
    SELECT outcome, attempt_number, started_at
    FROM notification_outbox AS attempt
    WHERE attempt.idempotency_key = wanting.idempotency_key AND wanting.scheduled_at <= :now
      AND coalesce(outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN')
    ORDER BY attempt_number DESC
    LIMIT 1
  ) AS evidence ON true
  CROSS JOIN LATERAL (
    SELECT
      CASE
        WHEN evidence.outcome = 'ACCEPTED' THEN 'SENT'
        WHEN evidence.attempt_number IS NOT NULL THEN 'UNKNOWN'
        WHEN window_end > :now THEN 'PENDING'
        WHEN window_end > :late_since THEN 'LATE_PENDING'
        ELSE 'SUPPRESSED'
      END AS status,
      coalesce(evidence.attempt_number, 0) AS attempt_count,
      evidence.started_at AS claimed_at
  ) AS state
),
inserted AS (
  INSERT INTO notification_schedule (
    idempotency_key, tenant_id, clinician_id, license_id, policy_id, policy_version, attempt_count, late,
    occasion_date, scheduled_at, window_end, next_attempt_at, send_by, claimed_at, created_at, updated_at,
    status, occasion, event, template, reason)
  SELECT
    idempotency_key, tenant_id, clinician_id, license_id, policy_id, policy_version, attempt_count, late,
    occasion_date, scheduled_at, window_end, next_attempt_at, send_by, claimed_at, :now, :now,
    status, occasion, event, template, reason
  FROM fresh
  WHERE change = 'inserted'
  ON CONFLICT (idempotency_key, scheduled_at) DO NOTHING
  RETURNING tenant_id, status, scheduled_at
),
righted AS (
  UPDATE notification_schedule AS schedule
  SET status = fresh.status, reason = fresh.reason, late = fresh.late,
      next_attempt_at = fresh.next_attempt_at, send_by = fresh.send_by, window_end = fresh.window_end,
      occasion_date = fresh.occasion_date, event = fresh.event,
      policy_id = fresh.policy_id, policy_version = fresh.policy_version, updated_at = :now
  FROM fresh
  WHERE (schedule.idempotency_key, schedule.scheduled_at) = (fresh.idempotency_key, fresh.scheduled_at)
    AND change <> 'inserted'
    -- claimed meanwhile, it is in flight: settled by its dispatcher, not overwritten
    AND schedule.status IN ('PENDING', 'LATE_PENDING', 'CANCELLED')
  RETURNING schedule.tenant_id, fresh.change, schedule.status
),
obsolete AS (
  SELECT
    present.idempotency_key, present.scheduled_at,
    CASE
      WHEN licenses.status = 'ENDED' THEN 'licence ended'
      WHEN licenses.expires_on IS DISTINCT FROM present.occasion_date THEN 'date moved'
      ELSE 'window moved'
    END AS reason
  FROM present
  JOIN licenses USING (tenant_id, license_id)
  LEFT JOIN expected USING (idempotency_key, scheduled_at)
  WHERE present.status IN ('PENDING', 'LATE_PENDING')
    AND (
      expected.license_id IS NULL
      OR EXISTS (
        SELECT FROM settled
        WHERE (settled.license_id, settled.event, settled.occasion_date)
          = (present.license_id, present.event, present.occasion_date)))
),
cancelled AS (
  UPDATE notification_schedule AS schedule
  SET status = 'CANCELLED', reason = obsolete.reason, next_attempt_at = NULL, send_by = NULL, updated_at = :now
  FROM obsolete
  WHERE (schedule.idempotency_key, schedule.scheduled_at) = (obsolete.idempotency_key, obsolete.scheduled_at)
    AND schedule.status IN ('PENDING', 'LATE_PENDING')
  RETURNING schedule.tenant_id, schedule.status
)
-- drift: what the last run had promised to be there and was not, or was there and wrong
SELECT tenant_id, 'inserted' AS change, status, count(*) AS rows,
       count(*) FILTER (WHERE scheduled_at < CAST(:promised AS timestamptz)) AS drift
FROM inserted
GROUP BY tenant_id, status
UNION ALL
SELECT tenant_id, change, status, count(*), count(*) FROM righted GROUP BY tenant_id, change, status
UNION ALL
SELECT tenant_id, 'cancelled', status, count(*), count(*) FROM cancelled GROUP BY tenant_id, status
