-- What waited in vain, and what is too old to be told again. Walks provider_receipts_waiting and _by_time.
DELETE FROM provider_receipts
WHERE (applied_at IS NULL AND taken_at <= :waited_since) OR taken_at <= :kept_since
RETURNING applied_at IS NULL AS in_vain
