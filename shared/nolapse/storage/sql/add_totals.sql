-- What one instance observed, added to what all did, in the order of the key, so that no two wait for one another.
-- Buckets come end to end, :sizes of them a row. Its commit waits for no disk: a crash of the server may lose the last
-- moment's numbers, never a row. Walks metric_total's primary key.
INSERT INTO metric_total AS before (metric, labels, slot, buckets, total)
SELECT
  metric, CAST(labels AS jsonb), :slot,
  (CAST(:buckets AS bigint[]))[CAST(ends - size + 1 AS integer) : CAST(ends AS integer)], total
FROM (
  SELECT metric, labels, size, total, sum(size) OVER (ORDER BY place) AS ends
  FROM unnest(
    CAST(:metrics AS text[]), CAST(:labels AS text[]), CAST(:sizes AS integer[]), CAST(:totals AS double precision[])
  ) WITH ORDINALITY AS given (metric, labels, size, total, place)
) AS rows
ORDER BY 1, 2
ON CONFLICT (metric, labels, slot) DO UPDATE SET
  buckets = ARRAY(
    SELECT old + new FROM unnest(before.buckets, excluded.buckets) WITH ORDINALITY AS pair (old, new, place)
    ORDER BY place
  ),
  total = before.total + excluded.total
RETURNING set_config('synchronous_commit', 'off', true)
