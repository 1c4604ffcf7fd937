-- What an answer of :reader, not recorded yet, makes needless of the same licence and date, beside the last answers of the
-- other readers. RENEWED: all that was still to be said up to the date; what comes after it stays, for a claim is no
-- proof, and planning drops it once the register has the new date. IN_PROGRESS: telling the holder's supervisor, for
-- :patience. And what waits again, its window still open: what was needless by a former answer, and is no more.
-- Walks notification_schedule_by_license, acknowledgements_by_license and primary keys.
UPDATE notification_schedule AS about
SET status = CASE WHEN judged.reason IS NULL THEN 'PENDING' ELSE 'SUPPRESSED' END,
    reason = coalesce(judged.reason, 'answered otherwise'),
    next_attempt_at = CASE WHEN judged.reason IS NULL THEN about.scheduled_at END,
    send_by = CASE WHEN judged.reason IS NULL THEN about.window_end END,
    updated_at = :now
FROM (
  SELECT
    schedule.idempotency_key, schedule.scheduled_at,
    (SELECT 'acknowledged: ' || lower(replace(answer, '_', ' '))
     FROM (
       SELECT CAST(:answer AS text) AS answer, CAST(:now AS timestamptz) AS at
       UNION ALL
       SELECT answer, at
       FROM (
-- include last_answers
       ) AS last
       WHERE reader <> :reader
     ) AS in_force
     WHERE CASE answer
       WHEN 'RENEWED' THEN step.days <= 0
       WHEN 'IN_PROGRESS' THEN
         schedule.clinician_id <> licenses.clinician_id AND schedule.scheduled_at < at + CAST(:patience AS interval)
     END
     ORDER BY at DESC
     LIMIT 1) AS reason
  FROM notification_schedule AS schedule
  JOIN licenses USING (tenant_id, license_id)
  JOIN policy_version USING (policy_id)
  CROSS JOIN LATERAL jsonb_to_recordset(steps) AS step (event text, days integer)
  WHERE (schedule.tenant_id, schedule.license_id) = (:tenant_id, :license_id) AND schedule.occurrence = :occurrence
    AND policy_version.version = schedule.policy_version AND step.event = schedule.event
) AS judged
WHERE (about.idempotency_key, about.scheduled_at) = (judged.idempotency_key, judged.scheduled_at)
  AND CASE about.status
    WHEN 'SUPPRESSED' THEN
      starts_with(about.reason, 'acknowledged') AND about.claimed_at IS NULL AND about.window_end > :now
      AND about.reason IS DISTINCT FROM judged.reason
    ELSE about.status IN ('PENDING', 'LATE_PENDING') AND judged.reason IS NOT NULL
  END
