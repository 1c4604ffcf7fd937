-- What became of messages since the last call, from at most :most entries of the audit log, added to the totals.
-- Walks audit_log by its primary key, then attempts and notifications by key.
SELECT fold_messages(
  :most, CAST(:delivery_bounds AS double precision[]), CAST(:lateness_bounds AS double precision[]))
