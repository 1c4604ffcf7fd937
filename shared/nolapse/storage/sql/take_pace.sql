-- Takes of each limit what is left of the wish, in one slot of time; returns how much of each was granted.
-- In the order of subjects, so that two runs never wait for one another. Walks the primary key.
INSERT INTO sending_pace AS taken (subject, slot, used)
SELECT subject, slot, least(wanted, most)
FROM unnest(
  CAST(:subjects AS text[]), CAST(:slots AS timestamptz[]), CAST(:wanted AS integer[]), CAST(:mosts AS integer[])
) AS wish (subject, slot, wanted, most)
ORDER BY subject, slot
ON CONFLICT (subject, slot) DO UPDATE SET used = greatest(taken.used, least(
  taken.used + excluded.used,
  (SELECT most FROM unnest(CAST(:subjects AS text[]), CAST(:mosts AS integer[])) AS limits (subject, most)
   WHERE limits.subject = taken.subject LIMIT 1)))
RETURNING new.subject, new.used - coalesce(old.used, 0) AS granted
