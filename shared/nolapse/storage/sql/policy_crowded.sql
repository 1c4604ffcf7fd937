-- How many people get more than :per_week messages in any seven local days, by how many, as it is and by the draft.
-- What they get under other policies counts too. Parameters: those of policy_pairs.sql; :per_week.
WITH
-- include policy_pairs
,
leaving AS (
  SELECT 'ACTIVE' AS side, clinician_id, zone, active_at AS leaves_at
  FROM pair WHERE change <> 'settled' AND active_at IS NOT NULL
  UNION ALL
  SELECT 'DRAFT', clinician_id, zone, draft_at
  FROM pair WHERE change <> 'settled' AND draft_at IS NOT NULL
  UNION ALL
  SELECT side, clinician_id, zone, greatest(scheduled_at, CAST(:now AS timestamptz))
  FROM notification_schedule AS elsewhere
  JOIN (SELECT DISTINCT clinician_id, zone FROM pair) AS person USING (clinician_id)
  CROSS JOIN (VALUES ('ACTIVE'), ('DRAFT')) AS sides (side)
  WHERE status IN ('PENDING', 'LATE_PENDING') AND NOT EXISTS (
    SELECT FROM pair
    WHERE (pair.clinician_id, pair.subject_id, pair.event, pair.occurrence) = (
      elsewhere.clinician_id, elsewhere.subject_id, elsewhere.event, elsewhere.occurrence))
),
local_day AS (
  SELECT zone, leaves_at, found.on_date
  FROM (SELECT DISTINCT zone, leaves_at FROM leaving) AS instant
  CROSS JOIN LATERAL (
    SELECT CAST(leaves_at AT TIME ZONE 'UTC' + utc_offset AS date) AS on_date
    FROM zone_offset
    WHERE zone_offset.zone = instant.zone AND local_from <= leaves_at AT TIME ZONE 'UTC' + utc_offset
    ORDER BY local_from DESC LIMIT 1
  ) AS found
),
week AS (
  SELECT side, clinician_id, count(*) OVER (
    PARTITION BY side, clinician_id ORDER BY on_date RANGE BETWEEN CURRENT ROW AND INTERVAL '6 days' FOLLOWING
  ) AS messages
  FROM leaving JOIN local_day USING (zone, leaves_at)
),
fullest AS (
  SELECT side, clinician_id, max(messages) AS messages FROM week GROUP BY side, clinician_id
)
SELECT side, messages, count(*) AS people
FROM fullest
WHERE messages > :per_week
GROUP BY side, messages
ORDER BY side, messages
