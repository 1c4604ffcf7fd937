-- The yearly dates of one person: added, changed, or no longer to be told (NULL). A date that never was is not stored.
-- Walks person_dates_tenant_id_clinician_id_kind_key.
INSERT INTO person_dates AS known (tenant_id, clinician_id, kind, on_date, created_at, updated_at)
SELECT CAST(:tenant_id AS uuid), CAST(:clinician_id AS uuid), kind, on_date, :now, :now
FROM unnest(CAST(:kinds AS text[]), CAST(:dates AS date[])) AS given (kind, on_date)
WHERE on_date IS NOT NULL OR EXISTS (
  SELECT FROM person_dates
  WHERE (person_dates.tenant_id, person_dates.clinician_id, person_dates.kind)
    = (CAST(:tenant_id AS uuid), CAST(:clinician_id AS uuid), given.kind))
ON CONFLICT (tenant_id, clinician_id, kind) DO UPDATE SET on_date = excluded.on_date, updated_at = excluded.updated_at
WHERE known.on_date IS DISTINCT FROM excluded.on_date
