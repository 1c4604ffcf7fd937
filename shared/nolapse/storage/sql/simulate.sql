-- How many messages the dates call for, by channel and window: computed, nothing is stored.
-- Parameters: those of expected.sql; windows that close after :now count, and of an open one what is left of it.
-- A notification is one message, on the first of its channels: the others are for when that one fails.
-- What was sent, dropped with a reason or is under way is not sent again, wherever a draft would put it.
-- Doses are stored, and so counted, for some days ahead; planning/simulate.py counts those after them.
-- Reads the whole of notification_schedule once, in its statuses only.
WITH
-- include expected
,
settled AS (
  SELECT subject_id, event, occurrence, clinician_id
  FROM notification_schedule
  WHERE (status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED') OR (status = 'CANCELLED' AND claimed_at IS NOT NULL))
    AND (CAST(:tenant_id AS uuid) IS NULL OR tenant_id = CAST(:tenant_id AS uuid))
)
SELECT
  channels[1] AS channel,
  greatest(scheduled_at, CAST(:now AS timestamptz)) AS opens,
  window_end AS closes,
  count(*) AS messages
FROM expected
WHERE window_end > :now
  -- said only where something else could not be; but silence is common
  AND coalesce(unless_event, 'ACKNOWLEDGED') = 'ACKNOWLEDGED'
  AND NOT EXISTS (
    SELECT FROM settled
    WHERE (settled.subject_id, settled.event, settled.occurrence, settled.clinician_id)
      = (expected.subject_id, expected.event, expected.occurrence, expected.clinician_id))
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
