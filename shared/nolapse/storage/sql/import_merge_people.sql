-- The holders of the imported licences: added, changed where the register says something else, brought back where they
-- were deleted (without a supervisor who is gone meanwhile); not by rows that only say that licences which they held have
-- ended. A blank says nothing and erases nothing; where rows differ about a person, the one furthest down is right.
WITH back AS (
  SELECT DISTINCT tenant_id, external_id
  FROM import_licenses AS given
  JOIN clinicians AS holder USING (tenant_id, external_id)
  WHERE holder.deleted_at IS NOT NULL AND holder.erased_at IS NULL
    AND (given.status = 'ACTIVE' OR NOT EXISTS (
      SELECT FROM licenses
      WHERE licenses.tenant_id = given.tenant_id AND licenses.license_number = given.license_number
        AND licenses.license_type = given.license_type AND coalesce(licenses.state, '') = coalesce(given.state, '')
        AND licenses.clinician_id = holder.clinician_id))
),
person AS (
  SELECT
    tenant_id, external_id,
    (array_agg(full_name ORDER BY row_number DESC) FILTER (WHERE full_name IS NOT NULL))[1] AS full_name,
    (array_agg(email ORDER BY row_number DESC) FILTER (WHERE email IS NOT NULL))[1] AS email,
    (array_agg(phone ORDER BY row_number DESC) FILTER (WHERE phone IS NOT NULL))[1] AS phone,
    (array_agg(whatsapp ORDER BY row_number DESC) FILTER (WHERE whatsapp IS NOT NULL))[1] AS whatsapp,
    (array_agg(timezone ORDER BY row_number DESC) FILTER (WHERE timezone IS NOT NULL))[1] AS timezone,
    rtrim(left(min(license_type || ' ' || license_number), 200)) AS label,
    bool_or(back.external_id IS NOT NULL) AS comes_back
  FROM import_licenses
  LEFT JOIN back USING (tenant_id, external_id)
  GROUP BY tenant_id, external_id
),
merged AS (
  MERGE INTO clinicians AS known
  USING person
  ON known.tenant_id = person.tenant_id AND known.external_id = person.external_id
  WHEN MATCHED AND (
      comes_back
      OR (known.deleted_at IS NULL
        AND (known.full_name, known.email, known.phone, known.whatsapp, known.timezone) IS DISTINCT FROM (
          coalesce(person.full_name, known.full_name), coalesce(person.email, known.email),
          coalesce(person.phone, known.phone), coalesce(person.whatsapp, known.whatsapp),
          coalesce(person.timezone, known.timezone)))) THEN
    UPDATE SET
      full_name = coalesce(person.full_name, known.full_name),
      email = coalesce(person.email, known.email),
      phone = coalesce(person.phone, known.phone),
      whatsapp = coalesce(person.whatsapp, known.whatsapp),
      timezone = coalesce(person.timezone, known.timezone),
      status = CASE WHEN comes_back AND known.status = 'LEFT' THEN 'ACTIVE' ELSE known.status END,
      supervisor_id = CASE WHEN comes_back THEN (
        SELECT supervisor.clinician_id
        FROM clinicians AS supervisor
        LEFT JOIN back USING (tenant_id, external_id)
        WHERE supervisor.clinician_id = known.supervisor_id
          AND (supervisor.deleted_at IS NULL OR back.external_id IS NOT NULL)) ELSE known.supervisor_id END,
      deleted_at = NULL,
      updated_at = :now
  WHEN NOT MATCHED THEN
    INSERT (tenant_id, external_id, full_name, email, phone, whatsapp, timezone, created_at, updated_at)
    VALUES (person.tenant_id, person.external_id, coalesce(person.full_name, person.label), person.email,
      person.phone, person.whatsapp, person.timezone, :now, :now)
  RETURNING merge_action() AS action, known.tenant_id
),
change AS (
  SELECT
    tenant_id, count(*) FILTER (WHERE action = 'INSERT') AS new, count(*) FILTER (WHERE action = 'UPDATE') AS changed
  FROM merged
  GROUP BY tenant_id
)
SELECT tenant_id, total, coalesce(new, 0) AS new, coalesce(changed, 0) AS changed
FROM (SELECT tenant_id, count(*) AS total FROM person GROUP BY tenant_id) AS given
LEFT JOIN change USING (tenant_id)
