-- People as another system has them, by external_id: added, changed where they differ, brought back where they were
-- deleted. Every one given comes back with what became of them. Walks clinicians_tenant_id_external_id_key.
WITH given AS (
  SELECT *
  FROM ROWS FROM (jsonb_to_recordset(CAST(:items AS jsonb)) AS (
    external_id text, role text, full_name text, email text, phone text, whatsapp text, timezone text, supervisor_id uuid,
    status text))
    WITH ORDINALITY AS item (
      external_id, role, full_name, email, phone, whatsapp, timezone, supervisor_id, status, position)
),
merged AS (
  MERGE INTO clinicians AS known
  USING given
  ON known.tenant_id = CAST(:tenant_id AS uuid) AND known.external_id = given.external_id
  WHEN MATCHED AND (
      known.deleted_at IS NOT NULL
      OR (known.role, known.full_name, known.email, known.phone, known.whatsapp, known.timezone, known.supervisor_id,
        known.status)
        IS DISTINCT FROM
        (given.role, given.full_name, given.email, given.phone, given.whatsapp, given.timezone, given.supervisor_id,
          given.status)) THEN
    UPDATE SET role = given.role, full_name = given.full_name, email = given.email, phone = given.phone,
      whatsapp = given.whatsapp, timezone = given.timezone, supervisor_id = given.supervisor_id, status = given.status, updated_at = :now,
      deleted_at = NULL
  WHEN NOT MATCHED THEN
    INSERT (tenant_id, external_id, role, full_name, email, phone, whatsapp, timezone, supervisor_id, status, created_at,
      updated_at)
    VALUES (CAST(:tenant_id AS uuid), given.external_id, given.role, given.full_name, given.email, given.phone,
      given.whatsapp, given.timezone, given.supervisor_id, given.status, :now, :now)
  RETURNING merge_action() AS action, known.external_id, known.clinician_id
)
SELECT
  coalesce(merged.clinician_id, known.clinician_id) AS id, coalesce(merged.clinician_id, known.clinician_id) AS person,
  NULL AS former,
  CASE action WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'unchanged' END AS outcome
FROM given
LEFT JOIN merged USING (external_id)
LEFT JOIN clinicians AS known
  ON known.tenant_id = CAST(:tenant_id AS uuid) AND known.external_id = given.external_id
ORDER BY position
