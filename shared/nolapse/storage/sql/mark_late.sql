-- Windows that closed unsent: what is young enough waits for a late window ('infinity'), what is not is dropped
-- with its reason, and so is what is of no use after its window. Late windows that closed unsent are treated alike. Walks notification_schedule_to_send.
UPDATE notification_schedule
SET status = CASE WHEN window_end > :late_since AND NOT perishable THEN 'LATE_PENDING' ELSE 'SUPPRESSED' END,
    reason = CASE
      WHEN window_end <= :late_since THEN 'window closed before the lookback'
      WHEN perishable THEN 'its window closed unsent'
    END,
    next_attempt_at = CASE WHEN window_end > :late_since AND NOT perishable THEN 'infinity'::timestamptz END,
    send_by = CASE WHEN window_end > :late_since AND NOT perishable THEN 'infinity'::timestamptz END,
    late = true,
    updated_at = :now
WHERE scheduled_at <= :now AND claimed_at IS NULL AND status IN ('PENDING', 'LATE_PENDING')
  AND (send_by <= :now OR (send_by = 'infinity' AND window_end <= :late_since))
RETURNING status
