-- Gives back what of limits was granted and is not used, in the transaction that took it, which holds their locks.
-- Walks the primary key.
UPDATE sending_pace AS taken
SET used = used - unused
FROM unnest(CAST(:subjects AS text[]), CAST(:slots AS timestamptz[]), CAST(:unused AS integer[]))
  AS spare (subject, slot, unused)
WHERE (taken.subject, taken.slot) = (spare.subject, spare.slot)
