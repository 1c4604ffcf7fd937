-- The imported licences: added, changed where the register says something else, a new holder included, brought back
-- where they were deleted, unless the register says that they have ended. A blank expiry or status says nothing and
-- erases nothing. After import_merge_people.
WITH given AS (
  SELECT import_licenses.*, clinician_id
  FROM import_licenses
  JOIN clinicians USING (tenant_id, external_id)
),
merged AS (
  MERGE INTO licenses AS known
  USING given
  ON known.tenant_id = given.tenant_id AND known.license_number = given.license_number
    AND known.license_type = given.license_type AND coalesce(known.state, '') = coalesce(given.state, '')
  WHEN MATCHED AND CASE WHEN known.deleted_at IS NOT NULL THEN given.status = 'ACTIVE' ELSE
      known.clinician_id <> given.clinician_id
      OR (known.expires_on IS DISTINCT FROM given.expires_on AND (given.endless OR given.expires_on IS NOT NULL))
      OR (given.register_status IS NOT NULL
        AND (known.status, known.register_status) IS DISTINCT FROM (given.status, given.register_status)) END THEN
    UPDATE SET
      clinician_id = given.clinician_id,
      expires_on = CASE WHEN given.endless THEN NULL ELSE coalesce(given.expires_on, known.expires_on) END,
      status = CASE WHEN given.register_status IS NULL AND known.deleted_at IS NULL THEN known.status
        ELSE given.status END,
      register_status = CASE WHEN given.register_status IS NULL AND known.deleted_at IS NULL THEN known.register_status
        ELSE given.register_status END,
      deleted_at = NULL,
      updated_at = :now
  WHEN NOT MATCHED THEN
    INSERT (tenant_id, clinician_id, license_type, state, license_number, expires_on, status, register_status,
      created_at, updated_at)
    VALUES (given.tenant_id, given.clinician_id, given.license_type, given.state, given.license_number,
      given.expires_on, given.status, given.register_status, :now, :now)
  RETURNING merge_action() AS action, known.tenant_id
),
change AS (
  SELECT
    tenant_id, count(*) FILTER (WHERE action = 'INSERT') AS new, count(*) FILTER (WHERE action = 'UPDATE') AS changed
  FROM merged
  GROUP BY tenant_id
)
SELECT tenant_id, total, coalesce(new, 0) AS new, coalesce(changed, 0) AS changed
FROM (SELECT tenant_id, count(*) AS total FROM given GROUP BY tenant_id) AS given
LEFT JOIN change USING (tenant_id)
