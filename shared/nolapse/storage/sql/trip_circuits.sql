-- Counts failures in a row; from :threshold on, and at once where a trial failed, the circuit opens: for a minute, then
-- twice as long each time, up to :longest seconds. A provider that asked for a pause (:pauses, in seconds) gets it.
INSERT INTO provider_circuit AS known (provider, state, failures, openings, retry_at, changed_at)
SELECT
  provider,
  CASE WHEN pause > 0 OR failures >= :threshold THEN 'OPEN' ELSE 'CLOSED' END,
  failures,
  CASE WHEN failures >= :threshold THEN 1 ELSE 0 END,
  CASE WHEN pause > 0 OR failures >= :threshold
    THEN CAST(:now AS timestamptz) + make_interval(secs => greatest(pause, 60)) END,
  :now
FROM unnest(CAST(:providers AS text[]), CAST(:failures AS integer[]), CAST(:pauses AS integer[]))
  AS found (provider, failures, pause)
ON CONFLICT (provider) DO UPDATE SET
  failures = known.failures + excluded.failures,
  state = CASE
    WHEN excluded.state = 'OPEN' OR known.state <> 'CLOSED' OR known.failures + excluded.failures >= :threshold
    THEN 'OPEN' ELSE 'CLOSED' END,
  openings = CASE
    WHEN known.state = 'HALF_OPEN' OR (known.state = 'CLOSED' AND known.failures + excluded.failures >= :threshold)
    THEN known.openings + 1 ELSE known.openings END,
  retry_at = CASE
    -- those who set out before it opened find nothing new
    WHEN known.state = 'OPEN' THEN greatest(known.retry_at, excluded.retry_at)
    WHEN excluded.state = 'OPEN' OR known.state = 'HALF_OPEN' OR known.failures + excluded.failures >= :threshold
    THEN greatest(
      excluded.retry_at,
      CAST(:now AS timestamptz) + make_interval(secs => least(60 * power(2, least(known.openings, 10)), :longest)))
    END,
  changed_at = :now
