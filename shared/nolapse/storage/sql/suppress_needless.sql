-- What is due and need not be said any more: that a dose was missed whose taker was told, a dose so soon after one
-- that was told that nobody may take both, and that nobody answers of a licence whose holder or supervisor did, and
-- has not answered otherwise since.
-- All of it has been due: said again of each for the planner's sake, which then skips the months ahead.
-- Walks notification_schedule_conditional, then _by_medication and acknowledgements_by_license.
UPDATE notification_schedule AS waiting
SET status = 'SUPPRESSED', reason = needless.reason, next_attempt_at = NULL, send_by = NULL, updated_at = :now
FROM (
  SELECT idempotency_key, scheduled_at, 'told in time' AS reason
  FROM notification_schedule AS conditional
  WHERE claimed_at IS NULL AND send_by IS NOT NULL AND unless_event IS NOT NULL AND scheduled_at <= :now
    AND EXISTS (
      SELECT FROM notification_schedule AS told
      WHERE (told.tenant_id, told.medication_id, told.occurrence, told.event)
          = (conditional.tenant_id, conditional.medication_id, conditional.occurrence, conditional.unless_event)
        AND told.scheduled_at <= :now AND told.status IN ('SENT', 'DELIVERED'))
  UNION
  SELECT idempotency_key, scheduled_at, 'acknowledged'
  FROM notification_schedule AS schedule
  WHERE claimed_at IS NULL AND send_by IS NOT NULL AND unless_event = 'ACKNOWLEDGED' AND scheduled_at <= :now
    AND EXISTS (
      SELECT FROM (
-- include last_answers
      ) AS last
      WHERE answer IN ('RENEWED', 'IN_PROGRESS'))
  UNION
  SELECT idempotency_key, scheduled_at, 'too soon after the dose before'
  FROM notification_schedule AS dose
  JOIN medications USING (tenant_id, medication_id)
  WHERE claimed_at IS NULL AND send_by IS NOT NULL AND perishable AND scheduled_at <= :now
    AND EXISTS (
      SELECT FROM notification_schedule AS told
      WHERE (told.tenant_id, told.medication_id, told.event, told.clinician_id)
          = (dose.tenant_id, dose.medication_id, dose.event, dose.clinician_id)
        AND told.occurrence <> dose.occurrence
        AND told.scheduled_at > dose.scheduled_at - interval '24 hours'
        AND told.scheduled_at < dose.scheduled_at AND told.scheduled_at <= :now
        AND told.scheduled_at > dose.scheduled_at - make_interval(mins => least_gap_minutes)
        AND told.status IN ('QUEUED', 'SENDING', 'UNKNOWN', 'SENT', 'DELIVERED'))
) AS needless
WHERE (waiting.idempotency_key, waiting.scheduled_at) = (needless.idempotency_key, needless.scheduled_at)
  AND waiting.scheduled_at <= :now AND waiting.status IN ('PENDING', 'LATE_PENDING')
