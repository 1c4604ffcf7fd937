-- How many stored messages wait for each window that opens before :until, by tenant and channel; of an open window what
-- is left.
-- Retries and late ones with their granted windows want the same senders; late ones without one ('infinity') will be
-- fitted in by catch-up.
-- Walks notification_schedule_to_send of the months that begin before :until; no window is longer than 24 hours.
SELECT
  tenant_id,
  channels[1] AS channel,
  greatest(next_attempt_at, CAST(:now AS timestamptz)) AS opens,
  send_by AS closes,
  count(*) AS messages
FROM notification_schedule
WHERE claimed_at IS NULL AND coalesce(unless_event, 'ACKNOWLEDGED') = 'ACKNOWLEDGED'  -- silence is common
  AND send_by > :now
  AND send_by < CAST(:until AS timestamptz) + interval '24 hours'
  AND next_attempt_at < :until
  AND scheduled_at < :until
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
