-- What an answer makes needless, of the same licence and date. RENEWED: all that was still to be said up to the date;
-- what comes after it stays, for a claim is no proof, and planning drops it once the register has the new date.
-- IN_PROGRESS: telling the holder's supervisor, until :quiet_until.
-- Walks notification_schedule_by_license.
UPDATE notification_schedule AS waiting
SET status = 'SUPPRESSED', reason = :reason, next_attempt_at = NULL, send_by = NULL, updated_at = :now
FROM licenses, policy_version
CROSS JOIN LATERAL jsonb_to_recordset(steps) AS step (event text, days integer)
WHERE (waiting.tenant_id, waiting.license_id) = (:tenant_id, :license_id) AND waiting.occurrence = :occurrence
  AND waiting.status IN ('PENDING', 'LATE_PENDING')
  AND licenses.license_id = waiting.license_id
  AND (policy_version.policy_id, policy_version.version) = (waiting.policy_id, waiting.policy_version)
  AND step.event = waiting.event
  AND CASE :answer
    WHEN 'RENEWED' THEN step.days <= 0
    WHEN 'IN_PROGRESS' THEN waiting.clinician_id <> licenses.clinician_id AND waiting.scheduled_at < :quiet_until
    ELSE false
  END
