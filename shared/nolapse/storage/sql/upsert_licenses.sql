-- Licences as another system has them, by number, type and state: added, changed where they differ, brought back where
-- they were deleted. Every one given comes back with what became of it, its holder and the holder that it had.
-- Walks licenses_tenant_id_license_number_license_type_state_key by its number and type.
WITH given AS (
  SELECT *
  FROM ROWS FROM (jsonb_to_recordset(CAST(:items AS jsonb)) AS (
    clinician_id uuid, license_type text, state text, license_number text, expires_on date, status text))
    WITH ORDINALITY AS item (clinician_id, license_type, state, license_number, expires_on, status, position)
),
merged AS (
  MERGE INTO licenses AS known
  USING given
  ON known.tenant_id = CAST(:tenant_id AS uuid) AND known.license_number = given.license_number
    AND known.license_type = given.license_type AND coalesce(known.state, '') = coalesce(given.state, '')
  WHEN MATCHED AND (
      known.deleted_at IS NOT NULL
      OR (known.clinician_id, known.expires_on, known.status)
        IS DISTINCT FROM (given.clinician_id, given.expires_on, given.status)) THEN
    UPDATE SET clinician_id = given.clinician_id, expires_on = given.expires_on, status = given.status, updated_at = :now,
      deleted_at = NULL
  WHEN NOT MATCHED THEN
    INSERT (tenant_id, clinician_id, license_type, state, license_number, expires_on, status, created_at, updated_at)
    VALUES (CAST(:tenant_id AS uuid), given.clinician_id, given.license_type, given.state, given.license_number,
      given.expires_on, given.status, :now, :now)
  RETURNING merge_action() AS action, known.license_number, known.license_type, coalesce(known.state, '') AS in_state,
    known.license_id
)
SELECT
  coalesce(merged.license_id, known.license_id) AS id, given.clinician_id AS person, known.clinician_id AS former,
  CASE action WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'unchanged' END AS outcome
FROM given
LEFT JOIN merged
  ON (merged.license_number, merged.license_type, merged.in_state)
    = (given.license_number, given.license_type, coalesce(given.state, ''))
LEFT JOIN licenses AS known
  ON known.tenant_id = CAST(:tenant_id AS uuid) AND known.license_number = given.license_number
    AND known.license_type = given.license_type AND coalesce(known.state, '') = coalesce(given.state, '')
ORDER BY position
