-- What an answer, not recorded yet, makes needless of the same licence and date. RENEWED: all that was still to be said
-- up to the date; what comes after it stays, for a claim is no proof, and planning drops it once the register has the new
-- date. IN_PROGRESS: telling the holder's supervisor, until :quiet_until.
-- And what waits again, its window still open: what a former answer had made needless, by the same reader (:key), if
-- nobody else says so too.
-- Walks notification_schedule_by_license.
UPDATE notification_schedule AS about
SET status = CASE WHEN needless THEN 'SUPPRESSED' ELSE 'PENDING' END,
    reason = CASE WHEN needless THEN :reason ELSE 'answered otherwise' END,
    next_attempt_at = CASE WHEN NOT needless THEN about.scheduled_at END,
    send_by = CASE WHEN NOT needless THEN about.window_end END,
    updated_at = :now
FROM (
  SELECT
    schedule.idempotency_key, schedule.scheduled_at,
    CASE :answer
      WHEN 'RENEWED' THEN step.days <= 0
      WHEN 'IN_PROGRESS' THEN schedule.clinician_id <> licenses.clinician_id AND schedule.scheduled_at < :quiet_until
      ELSE false
    END AS needless,
    schedule.status = 'SUPPRESSED' AND claimed_at IS NULL AND starts_with(reason, 'acknowledged') AND window_end > :now
      AND NOT EXISTS (
        SELECT FROM (
-- include last_answers
        ) AS last
        WHERE last.idempotency_key <> :key
          AND reason IN ('acknowledged', 'acknowledged: ' || lower(replace(last.answer, '_', ' ')))
      ) AS silenced
  FROM notification_schedule AS schedule
  JOIN licenses USING (tenant_id, license_id)
  JOIN policy_version USING (policy_id)
  CROSS JOIN LATERAL jsonb_to_recordset(steps) AS step (event text, days integer)
  WHERE (schedule.tenant_id, schedule.license_id) = (:tenant_id, :license_id) AND schedule.occurrence = :occurrence
    AND policy_version.version = schedule.policy_version AND step.event = schedule.event
) AS judged
WHERE (about.idempotency_key, about.scheduled_at) = (judged.idempotency_key, judged.scheduled_at)
  AND CASE WHEN about.status = 'SUPPRESSED' THEN silenced ELSE about.status IN ('PENDING', 'LATE_PENDING') AND needless END
