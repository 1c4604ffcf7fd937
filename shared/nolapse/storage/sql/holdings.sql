-- What :clinician_ids hold that notifications are about, NULL where nothing, and of which tenants they are. And the
-- rest of the transaction walks indexes: with a row or more expected of every month, an empty one too, the optimiser would
-- rather read the whole schedule of a small base.
-- Walks clinicians_pkey, licenses_by_clinician, person_dates' unique key and medications_by_clinician.
WITH holder AS MATERIALIZED (
  SELECT tenant_id, clinician_id FROM clinicians WHERE clinician_id = ANY (CAST(:clinician_ids AS uuid[]))
)
SELECT
  ARRAY(SELECT DISTINCT tenant_id FROM holder) AS tenants,
  NULLIF(ARRAY(SELECT license_id FROM licenses JOIN holder USING (tenant_id, clinician_id)), '{}') AS licenses,
  NULLIF(ARRAY(SELECT person_date_id FROM person_dates JOIN holder USING (tenant_id, clinician_id)), '{}') AS dates,
  NULLIF(ARRAY(SELECT medication_id FROM medications JOIN holder USING (tenant_id, clinician_id)), '{}') AS medications,
  set_config('enable_seqscan', 'off', true) AS narrow
