-- A person and all that is theirs: ended, not shown any more, and the links that they were sent dead.
-- Walks licenses_by_clinician, medications_by_clinician and clinicians_pkey.
WITH ended AS (
  UPDATE licenses SET status = 'ENDED', deleted_at = coalesce(deleted_at, :now), updated_at = :now
  WHERE (tenant_id, clinician_id) = (SELECT tenant_id, clinician_id FROM clinicians WHERE clinician_id = :clinician_id)
),
stopped AS (
  UPDATE medications SET status = 'STOPPED', deleted_at = coalesce(deleted_at, :now), updated_at = :now
  WHERE (tenant_id, clinician_id) = (SELECT tenant_id, clinician_id FROM clinicians WHERE clinician_id = :clinician_id)
)
UPDATE clinicians
SET status = CASE status WHEN 'ACTIVE' THEN 'LEFT' ELSE status END, deleted_at = coalesce(deleted_at, :now),
  links_revoked_at = :now, updated_at = :now
WHERE clinician_id = :clinician_id
