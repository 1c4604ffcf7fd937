-- Each link recomputed from the rows, from the first that is kept on: a changed, removed or added row breaks every hash
-- after it. Walks audit_log by its primary key, whole.
SELECT count(*) AS entries, min(seq) FILTER (WHERE hash <> expected OR seq <> position) AS first_broken_seq
FROM (
  SELECT
    seq, audit_log.hash, until_seq + row_number() OVER (ORDER BY seq) AS position,
    audit_chain(audit_anchor.hash, audit_entry(
      seq, tenant_id, at, actor, action, subject, from_status, to_status, reason)) OVER (ORDER BY seq) AS expected
  FROM audit_log
  CROSS JOIN audit_anchor
) AS links
