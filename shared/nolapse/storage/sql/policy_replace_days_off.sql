-- Makes day_off equal the given days of the given calendars, from :first to :last; earlier years stay as they were.
-- Walks day_off's primary key by calendar; returns the number of days that changed.
WITH given AS (
  SELECT * FROM unnest(
    CAST(:calendars AS text[]), CAST(:days AS date[]), CAST(:befores AS date[]), CAST(:afters AS date[])
  ) AS given (calendar, on_date, working_before, working_after)
),
gone AS (
  DELETE FROM day_off
  WHERE calendar IN (SELECT calendar FROM given) AND on_date BETWEEN :first AND :last
    AND NOT EXISTS (SELECT FROM given WHERE (given.calendar, given.on_date) = (day_off.calendar, day_off.on_date))
  RETURNING on_date
),
written AS (
  INSERT INTO day_off AS standing (calendar, on_date, working_before, working_after)
  SELECT calendar, on_date, working_before, working_after FROM given
  ON CONFLICT (calendar, on_date) DO UPDATE
  SET working_before = excluded.working_before, working_after = excluded.working_after
  WHERE (standing.working_before, standing.working_after) <> (excluded.working_before, excluded.working_after)
  RETURNING on_date
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM written)
