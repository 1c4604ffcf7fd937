-- QUEUED rows whose message never reached a dispatcher go back to waiting; a message that comes after all finds
-- them no longer QUEUED, or claimed anew, and is harmless. Walks notification_schedule_claimed.
UPDATE notification_schedule
SET status = CASE WHEN late THEN 'LATE_PENDING' ELSE 'PENDING' END, claimed_at = NULL, updated_at = :now
WHERE scheduled_at <= :now AND status = 'QUEUED' AND claimed_at <= :stale_before
