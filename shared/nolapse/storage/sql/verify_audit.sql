-- Each link recomputed from the rows, from the first on: a changed, removed or added row breaks every hash after it.
-- Walks audit_log by its primary key, whole.
SELECT count(*) AS entries, min(seq) FILTER (WHERE hash <> expected OR seq <> position) AS first_broken_seq
FROM (
  SELECT
    seq, hash, row_number() OVER (ORDER BY seq) AS position,
    audit_chain(''::bytea, audit_entry(
      seq, tenant_id, at, actor, action, subject, from_status, to_status, reason)) OVER (ORDER BY seq) AS expected
  FROM audit_log
) AS links
