-- How many notifications and people a draft touches, by what happens to them; late: due at once, their window past.
-- Parameters: those of policy_pairs.sql.
WITH
-- include policy_pairs
SELECT
  change, count(*) AS messages, count(DISTINCT clinician_id) AS people,
  count(*) FILTER (WHERE late AND change IN ('gained', 'shifted')) AS late
FROM pair
GROUP BY change
