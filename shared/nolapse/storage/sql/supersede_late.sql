-- One late message per licence: what was due last, and is late too, on its way or already said, speaks for what was due
-- before. What was given up or bounced speaks for nothing: nobody would be told.
-- Walks notification_schedule_to_send.
UPDATE notification_schedule AS older
SET status = 'SUPPRESSED', reason = 'superseded by a more urgent reminder',
    next_attempt_at = NULL, send_by = NULL, updated_at = :now
WHERE older.scheduled_at <= :now AND older.status = 'LATE_PENDING' AND older.claimed_at IS NULL AND older.send_by IS NOT NULL
  AND EXISTS (
    SELECT FROM notification_schedule AS newer
    WHERE (newer.tenant_id, newer.license_id, newer.clinician_id)
        = (older.tenant_id, older.license_id, older.clinician_id)
      AND newer.scheduled_at > older.scheduled_at AND newer.scheduled_at <= :now
      AND newer.status IN ('LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN', 'HELD', 'SENT', 'DELIVERED'))
