-- Replaces the whole zone table in one statement's worth of rows: readers see the old one or the new one.
-- zone keeps every name ever known, since people's zones refer to it.
WITH period AS (
  SELECT zone, CAST(local_from AS timestamp) AS local_from, CAST(local_until AS timestamp) AS local_until,
         make_interval(secs => utc_offset) AS utc_offset
  FROM unnest(
    CAST(:zones AS text[]), CAST(:froms AS text[]), CAST(:untils AS text[]), CAST(:offsets AS integer[])
  ) AS given (zone, local_from, local_until, utc_offset)
),
named AS (
  INSERT INTO zone (zone) SELECT DISTINCT zone FROM period ON CONFLICT DO NOTHING
),
gone AS (
  DELETE FROM zone_offset AS old
  WHERE NOT EXISTS (SELECT FROM period WHERE (period.zone, period.local_from) = (old.zone, old.local_from))
)
INSERT INTO zone_offset (zone, local_from, local_until, utc_offset, tzdata_version)
SELECT zone, local_from, local_until, utc_offset, :version FROM period
ON CONFLICT (zone, local_from) DO UPDATE
SET local_until = excluded.local_until, utc_offset = excluded.utc_offset, tzdata_version = excluded.tzdata_version
