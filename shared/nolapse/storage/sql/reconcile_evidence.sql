-- What the schedule claims against the attempts that prove it: one row per contradiction.
-- Parameters: :now, :since (what was scheduled before it is not looked at), :stale_before (longer in flight than any
-- lease lasts). A row that a human let go from HELD has been judged and is not brought up again.
-- Reads notification_schedule and notification_outbox; rows that wait ahead of :now without an attempt are passed by.
WITH attempts AS (
  SELECT
    idempotency_key, max(scheduled_at) AS scheduled_at,
    max(attempt_number) AS attempt_number,
    count(*) FILTER (WHERE outcome = 'ACCEPTED') AS accepted,
    count(*) FILTER (WHERE outcome = 'BOUNCED') AS bounced,
    bool_or(coalesce(outcome, 'UNKNOWN') = 'UNKNOWN') AS unsettled,
    min(lease_until) FILTER (WHERE outcome IS NULL) AS lease_until
  FROM notification_outbox
  WHERE scheduled_at > :since
  GROUP BY idempotency_key
),
told AS (
  SELECT idempotency_key, scheduled_at, clinician_id, subject_id, event, occurrence
  FROM notification_schedule
  WHERE scheduled_at > :since AND status IN ('SENT', 'DELIVERED', 'BOUNCED')
),
told_twice AS (
  SELECT idempotency_key, scheduled_at
  FROM told
  JOIN (
    SELECT clinician_id, subject_id, event, occurrence
    FROM told
    GROUP BY clinician_id, subject_id, event, occurrence
    HAVING count(*) > 1
  ) AS twice
    ON (twice.clinician_id, twice.subject_id, twice.event, twice.occurrence)
      = (told.clinician_id, told.subject_id, told.event, told.occurrence)
),
claim AS (
  SELECT idempotency_key, scheduled_at, window_end, status, claimed_at, attempt_count
  FROM notification_schedule
  WHERE scheduled_at > :since
    AND (status <> 'PENDING' OR scheduled_at <= :now OR idempotency_key IN (SELECT idempotency_key FROM attempts))
),
contradiction AS (
  SELECT
    idempotency_key, scheduled_at, attempt_number,
    CASE
      WHEN claim.status IS NULL THEN 'orphaned_attempts'
      WHEN claim.status IN ('SENT', 'DELIVERED', 'BOUNCED') THEN
        CASE
          WHEN coalesce(accepted, 0) + CASE claim.status WHEN 'BOUNCED' THEN coalesce(bounced, 0) ELSE 0 END = 0
            THEN 'sent_without_attempt'
          WHEN accepted > 1 OR told_twice.idempotency_key IS NOT NULL THEN 'double_sends'
        END
      WHEN claim.status = 'HELD' THEN NULL
      WHEN accepted > 0 THEN 'accepted_but_unsent'
      WHEN claim.status IN ('SENDING', 'UNKNOWN') THEN
        CASE
          WHEN unsettled IS NOT TRUE THEN 'in_flight_without_attempt'
          WHEN claim.status = 'SENDING' AND lease_until <= :stale_before THEN 'stuck_in_sending'
        END
      WHEN unsettled AND claim.status IN ('PENDING', 'LATE_PENDING', 'QUEUED') THEN 'attempted_but_waiting'
      WHEN claim.status = 'QUEUED' AND (claimed_at <= :stale_before OR scheduled_at > :now) THEN 'stuck_in_queue'
      WHEN claim.status IN ('PENDING', 'LATE_PENDING', 'QUEUED') AND attempt_count < attempt_number
        THEN 'uncounted_attempts'
      WHEN claim.status = 'LATE_PENDING' AND window_end > :now THEN 'late_too_early'
    END AS kind
  FROM claim
  FULL JOIN attempts USING (idempotency_key, scheduled_at)
  LEFT JOIN told_twice USING (idempotency_key, scheduled_at)
)
SELECT kind, idempotency_key, scheduled_at, coalesce(attempt_number, 0) AS attempt_number
FROM contradiction
WHERE kind IS NOT NULL
  AND NOT (kind IN ('sent_without_attempt', 'double_sends') AND EXISTS (
    SELECT FROM audit_log
    WHERE subject = 'notification:' || encode(idempotency_key, 'hex') AND from_status = 'HELD'))
