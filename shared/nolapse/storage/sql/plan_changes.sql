-- Planning is this: what is expected, compared with `present`, the rows of the same scope that are there, and the
-- difference applied. Included by plan.sql for a tenant or all, and by plan_holders.sql for given people.
-- Parameters: those of expected.sql; :late_since (windows that closed before it are too old to be sent late) and
-- :promised (rows before it should have been there already: inserting one heals a drift).
--
-- A notification is one per (subject, event, occurrence, recipient), whatever instant that falls on: once it is in
-- flight, sent or dropped with a reason it stays as it is, also when a changed zone or policy would put it elsewhere.
-- For given people it also says which rows it touched; of whole tables, their keys would be kept for nobody.
request AS MATERIALIZED (  -- of the API, whose transaction this is: asked for once, and not for every row
  SELECT NULLIF(current_setting('app.correlation_id', true), '') AS correlation_id
),
settled AS MATERIALIZED (
  SELECT
    subject_id, event, occurrence, clinician_id,
    status = 'SUPPRESSED' AND reason = 'window closed before the lookback' AS too_old
  FROM present
  WHERE status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED')
    -- what was cancelled after a claim, a human let go: it stays as they left it
    OR (status = 'CANCELLED' AND claimed_at IS NOT NULL)
),
differing AS MATERIALIZED (  -- both sides met once; what is as it should be goes no further
  SELECT *
  FROM (
    SELECT
      idempotency_key, scheduled_at,
      expected.tenant_id, expected.clinician_id, expected.subject_id, expected.license_id, expected.person_date_id,
      expected.medication_id, expected.policy_id, expected.policy_version, expected.occasion, expected.occurrence,
      expected.occasion_date, expected.event, expected.template, expected.channels, expected.perishable,
      expected.unless_event, expected.window_end,
      present.subject_id AS present_subject_id, present.clinician_id AS present_clinician_id,
      present.event AS present_event, present.occurrence AS present_occurrence,
      present.license_id AS present_license_id, present.person_date_id AS present_person_date_id,
      present.medication_id AS present_medication_id, present.occasion_date AS present_occasion_date,
      coalesce(present.status = 'LATE_PENDING', false) AS was_late,
      CASE
        WHEN expected.tenant_id IS NULL THEN NULL
        WHEN present.status IS NULL THEN 'inserted'
        WHEN present.status = 'CANCELLED' AND present.claimed_at IS NULL THEN 'revived'
        WHEN present.status IN ('PENDING', 'LATE_PENDING') AND (
          (present.window_end, present.occurrence, present.occasion_date, present.event, present.channels,
            present.perishable, coalesce(present.unless_event, ''), present.policy_id, present.policy_version)
          <> (expected.window_end, expected.occurrence, expected.occasion_date, expected.event, expected.channels,
            expected.perishable, coalesce(expected.unless_event, ''), expected.policy_id, expected.policy_version)
          OR (NOT present.late AND (
            present.send_by <> expected.window_end
            -- once its window is open, a circuit, a limit or quiet hours may have put it off, for a day at most
            OR (present.attempt_count = 0 AND present.next_attempt_at NOT BETWEEN expected.scheduled_at
              AND CASE WHEN expected.scheduled_at <= :now THEN CAST(:now AS timestamptz) + interval '1 day'
                ELSE expected.scheduled_at END))))
        THEN 'restored'
      END AS change,
      present.status IN ('PENDING', 'LATE_PENDING') AND (
        expected.tenant_id IS NULL
        OR (present.subject_id, present.event, present.occurrence, present.clinician_id)
          IN (SELECT subject_id, event, occurrence, clinician_id FROM settled WHERE NOT too_old)) AS obsolete
    FROM expected
    FULL JOIN present USING (idempotency_key, scheduled_at)
  ) AS compared
  WHERE change IS NOT NULL OR obsolete
),
wanting AS NOT MATERIALIZED (  -- expected, and either not there or not as it should be
  SELECT *
  FROM differing
  WHERE change IS NOT NULL
    AND NOT EXISTS (
      SELECT FROM settled
      WHERE (settled.subject_id, settled.event, settled.occurrence, settled.clinician_id)
        = (differing.subject_id, differing.event, differing.occurrence, differing.clinician_id)
        -- nobody was told: where another policy or zone gives it a window that still counts, it is told
        AND NOT (too_old AND differing.window_end > :late_since))
),
obsolete AS (
  SELECT
    idempotency_key, scheduled_at,
    present_subject_id AS subject_id, present_event AS event, present_occurrence AS occurrence,
    present_clinician_id AS clinician_id,
    CASE
      WHEN holder.status <> 'ACTIVE' THEN 'person left'
      WHEN licenses.status = 'ENDED' THEN 'licence ended'
      WHEN present_license_id IS NOT NULL AND licenses.expires_on IS DISTINCT FROM present_occasion_date
        THEN 'date moved'
      WHEN present_person_date_id IS NOT NULL AND person_dates.on_date IS NULL THEN 'date removed'
      WHEN medications.status = 'STOPPED' THEN 'medication stopped'
      WHEN (present_clinician_id IN (holder.clinician_id, holder.supervisor_id, medications.caregiver_id)) IS NOT TRUE
        THEN 'recipient changed'
      ELSE 'window moved'
    END AS reason
  FROM differing
  LEFT JOIN licenses ON licenses.license_id = present_license_id
  LEFT JOIN person_dates ON person_dates.person_date_id = present_person_date_id
  LEFT JOIN medications ON medications.medication_id = present_medication_id
  JOIN clinicians AS holder
    ON holder.clinician_id = coalesce(licenses.clinician_id, person_dates.clinician_id, medications.clinician_id)
  WHERE obsolete
),
cancelled AS (
  UPDATE notification_schedule AS schedule
  SET status = 'CANCELLED', reason = obsolete.reason, next_attempt_at = NULL, send_by = NULL, updated_at = :now,
      correlation_id = coalesce((SELECT correlation_id FROM request), schedule.correlation_id)
  FROM obsolete
  WHERE (schedule.idempotency_key, schedule.scheduled_at) = (obsolete.idempotency_key, obsolete.scheduled_at)
    AND schedule.status IN ('PENDING', 'LATE_PENDING')
  RETURNING schedule.tenant_id, schedule.status, schedule.idempotency_key, schedule.scheduled_at
),
escaped AS (  -- claimed meanwhile, before it could be cancelled: nothing else is planned in its place
  SELECT subject_id, event, occurrence, clinician_id
  FROM obsolete
  LEFT JOIN cancelled USING (idempotency_key, scheduled_at)
  WHERE cancelled.status IS NULL
),
evidence AS MATERIALIZED (  -- a row that was lost after its message left comes back as sent, not to be sent again
  SELECT DISTINCT ON (idempotency_key) idempotency_key, outcome, attempt_number, started_at, delivered_at
  FROM notification_outbox
  WHERE idempotency_key = ANY (ARRAY(SELECT idempotency_key FROM wanting WHERE scheduled_at <= :now))
  ORDER BY idempotency_key, coalesce(outcome, '') = 'ACCEPTED' DESC, attempt_number DESC
),
fresh AS NOT MATERIALIZED (  -- in two parts, each once: what is inserted and what is righted
  SELECT
    wanting.*, state.status, state.attempt_count, state.claimed_at,
    -- late as well, what was begun late before its row was lost: the next late one keeps its distance from it
    state.status = 'LATE_PENDING' OR (state.claimed_at IS NOT NULL AND state.claimed_at >= window_end) AS late,
    CASE state.status WHEN 'PENDING' THEN scheduled_at WHEN 'LATE_PENDING' THEN 'infinity' END AS next_attempt_at,
    CASE state.status WHEN 'PENDING' THEN window_end WHEN 'LATE_PENDING' THEN 'infinity' END AS send_by,
    CASE
      WHEN state.status = 'SUPPRESSED' AND perishable AND window_end > :late_since THEN 'its window closed unsent'
      WHEN state.status = 'SUPPRESSED' THEN 'window closed before the lookback'
    END AS reason
  FROM wanting
  LEFT JOIN evidence USING (idempotency_key)
  CROSS JOIN LATERAL (
    SELECT
      CASE
        WHEN evidence.outcome = 'ACCEPTED' AND delivered_at IS NOT NULL THEN 'DELIVERED'
        WHEN evidence.outcome = 'ACCEPTED' THEN 'SENT'
        WHEN evidence.attempt_number IS NOT NULL AND coalesce(evidence.outcome, 'UNKNOWN') = 'UNKNOWN' THEN 'UNKNOWN'
        -- late once, late for good, also where later hours reopen its window
        WHEN window_end > :now AND NOT was_late THEN 'PENDING'
        WHEN window_end > :late_since AND NOT perishable THEN 'LATE_PENDING'
        ELSE 'SUPPRESSED'
      END AS status,
      coalesce(evidence.attempt_number, 0) AS attempt_count,
      CASE WHEN coalesce(evidence.outcome, 'UNKNOWN') IN ('ACCEPTED', 'UNKNOWN') THEN evidence.started_at END
        AS claimed_at
  ) AS state
  WHERE NOT EXISTS (
    SELECT FROM escaped
    WHERE (escaped.subject_id, escaped.event, escaped.occurrence, escaped.clinician_id)
      = (wanting.subject_id, wanting.event, wanting.occurrence, wanting.clinician_id))
),
inserted AS (
  INSERT INTO notification_schedule (
    idempotency_key, tenant_id, clinician_id, license_id, person_date_id, medication_id, policy_id, policy_version,
    attempt_count, late, occurrence, occasion_date, channels, perishable, unless_event, scheduled_at, window_end, next_attempt_at, send_by, claimed_at,
    created_at, updated_at, correlation_id,
    status, occasion, event, template, reason)
  SELECT
    idempotency_key, tenant_id, clinician_id, license_id, person_date_id, medication_id, policy_id, policy_version,
    attempt_count, late, occurrence, occasion_date, channels, perishable, unless_event, scheduled_at, window_end, next_attempt_at, send_by, claimed_at,
    :now, :now, (SELECT correlation_id FROM request),
    status, occasion, event, template, reason
  FROM fresh
  WHERE change = 'inserted'
  ORDER BY scheduled_at  -- one partition after the other, each index from its end
  RETURNING tenant_id, status, scheduled_at,
    CASE WHEN CAST(:clinician_ids AS uuid[]) IS NOT NULL THEN idempotency_key END AS idempotency_key
),
righted AS (
  UPDATE notification_schedule AS schedule
  SET status = fresh.status, reason = fresh.reason, late = fresh.late,
      next_attempt_at = fresh.next_attempt_at, send_by = fresh.send_by, window_end = fresh.window_end,
      occurrence = fresh.occurrence, occasion_date = fresh.occasion_date, event = fresh.event,
      channels = fresh.channels, channel_position = least(channel_position, cardinality(fresh.channels)), perishable = fresh.perishable, unless_event = fresh.unless_event,
      policy_id = fresh.policy_id, policy_version = fresh.policy_version, updated_at = :now,
      correlation_id = coalesce((SELECT correlation_id FROM request), schedule.correlation_id)
  FROM fresh
  WHERE (schedule.idempotency_key, schedule.scheduled_at) = (fresh.idempotency_key, fresh.scheduled_at)
    AND change <> 'inserted'
    -- claimed meanwhile, it is in flight: settled by its dispatcher, not overwritten
    AND schedule.status IN ('PENDING', 'LATE_PENDING', 'CANCELLED')
  RETURNING schedule.tenant_id, fresh.change, schedule.status, schedule.idempotency_key, schedule.scheduled_at
)
-- drift: what the last run had promised to be there and was not, or was there and wrong
SELECT
  tenant_id, change, status, count(*) AS rows,
  count(*) FILTER (WHERE change <> 'inserted' OR scheduled_at < CAST(:promised AS timestamptz)) AS drift,
  array_agg(idempotency_key) FILTER (WHERE CAST(:clinician_ids AS uuid[]) IS NOT NULL) AS keys,
  array_agg(scheduled_at) FILTER (WHERE CAST(:clinician_ids AS uuid[]) IS NOT NULL) AS times
FROM (
  SELECT tenant_id, 'inserted' AS change, status, idempotency_key, scheduled_at FROM inserted
  UNION ALL
  SELECT tenant_id, change, status, idempotency_key, scheduled_at FROM righted
  UNION ALL
  SELECT tenant_id, 'cancelled', status, idempotency_key, scheduled_at FROM cancelled
) AS touched
GROUP BY tenant_id, change, status
