-- QUEUED rows whose message never reached a dispatcher go back to waiting; a message that comes after all finds
-- them no longer QUEUED, or claimed anew, and is harmless. Walks notification_schedule_claimed.
-- What was claimed before the last complete run is left out, as that run returned it, with a day for a claim that
-- took its time to commit: the index holds every row that ever left, and would have to be read whole.
-- Whose row is locked, has reached a dispatcher after all.
UPDATE notification_schedule AS schedule
SET status = CASE WHEN late THEN 'LATE_PENDING' ELSE 'PENDING' END, claimed_at = NULL, updated_at = :now
FROM (
  SELECT idempotency_key, scheduled_at
  FROM notification_schedule
  WHERE scheduled_at <= :now AND status = 'QUEUED' AND claimed_at <= :stale_before
    AND claimed_at > coalesce(
      (SELECT max(started_at) - interval '1 day' FROM scheduler_heartbeat
       WHERE function = 'catch_up' AND finished_at IS NOT NULL),
      '-infinity')
  FOR NO KEY UPDATE SKIP LOCKED
) AS stale
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (stale.idempotency_key, stale.scheduled_at)
  AND schedule.scheduled_at <= :now
