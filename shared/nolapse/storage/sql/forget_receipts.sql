-- What waited in vain, and what is too old to be told again; never what an address wants or can take, for a call that was
-- recorded is signed for good where it names no time. Walks provider_receipts_waiting and _by_time.
DELETE FROM provider_receipts
WHERE (applied_at IS NULL AND taken_at <= :waited_since)
  OR (taken_at <= :kept_since AND suppresses IS NULL AND attempt_id IS NOT NULL)
RETURNING applied_at IS NULL AS in_vain
