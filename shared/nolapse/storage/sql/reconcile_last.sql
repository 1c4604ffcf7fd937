-- What the last complete run left to the next: the horizon it promised and the end of the audit chain.
SELECT
  CAST(counts ->> 'horizon' AS timestamptz) AS horizon,
  CAST(split_part(counts ->> 'audit_end', ':', 1) AS bigint) AS audit_seq,
  split_part(counts ->> 'audit_end', ':', 2) AS audit_hash
FROM scheduler_heartbeat
WHERE function = 'reconcile' AND finished_at IS NOT NULL AND counts ? 'horizon'
ORDER BY started_at DESC
LIMIT 1
