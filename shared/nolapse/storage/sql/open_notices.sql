-- One notice per tenant, kind and provider, to be sent; never a second one of the same entries of the audit log.
INSERT INTO ops_notices (tenant_id, kind, provider, counts, until_seq, created_at)
SELECT tenant_id, kind, provider, counts, :until_seq, :now
FROM unnest(
  CAST(:tenants AS uuid[]), CAST(:kinds AS text[]), CAST(:providers AS text[]), CAST(:counts AS jsonb[])
) AS given (tenant_id, kind, provider, counts)
