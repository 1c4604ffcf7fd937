-- One audit entry per tenant whose schedule a planning run changed.
SELECT append_audit(
  CAST(:tenants AS uuid[]), array_fill(CAST(:now AS timestamptz), ARRAY[cardinality(CAST(:tenants AS uuid[]))]),
  'schedule.planned',
  ARRAY(SELECT 'tenant:' || tenant_id FROM unnest(CAST(:tenants AS uuid[])) AS given (tenant_id)),
  NULL, NULL, CAST(:summaries AS text[]))
