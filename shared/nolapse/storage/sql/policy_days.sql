-- Messages still to be sent per local day of their recipients, as it is and by the draft; what is late leaves now.
-- Parameters: those of policy_pairs.sql.
WITH
-- include policy_pairs
,
leaving AS (
  SELECT zone, active_at AS leaves_at, count(*) AS active, 0 AS draft
  FROM pair WHERE change <> 'settled' AND active_at IS NOT NULL
  GROUP BY zone, active_at
  UNION ALL
  SELECT zone, draft_at, 0, count(*)
  FROM pair WHERE change <> 'settled' AND draft_at IS NOT NULL
  GROUP BY zone, draft_at
)
SELECT local_day.on_date, CAST(sum(active) AS integer) AS active, CAST(sum(draft) AS integer) AS draft
FROM leaving
CROSS JOIN LATERAL (
  SELECT CAST(leaves_at AT TIME ZONE 'UTC' + utc_offset AS date) AS on_date
  FROM zone_offset
  WHERE zone_offset.zone = leaving.zone AND local_from <= leaves_at AT TIME ZONE 'UTC' + utc_offset
  ORDER BY local_from DESC LIMIT 1
) AS local_day
GROUP BY local_day.on_date
ORDER BY local_day.on_date
