-- The holders of the imported licences: added, or changed where the register says something else. A blank says
-- nothing and erases nothing; where rows differ about a person, the one furthest down is right.
WITH person AS (
  SELECT
    tenant_id, external_id,
    (array_agg(full_name ORDER BY row_number DESC) FILTER (WHERE full_name IS NOT NULL))[1] AS full_name,
    (array_agg(email ORDER BY row_number DESC) FILTER (WHERE email IS NOT NULL))[1] AS email,
    (array_agg(phone ORDER BY row_number DESC) FILTER (WHERE phone IS NOT NULL))[1] AS phone,
    (array_agg(whatsapp ORDER BY row_number DESC) FILTER (WHERE whatsapp IS NOT NULL))[1] AS whatsapp,
    (array_agg(timezone ORDER BY row_number DESC) FILTER (WHERE timezone IS NOT NULL))[1] AS timezone,
    min(license_type || ' ' || license_number) AS label
  FROM import_licenses
  GROUP BY tenant_id, external_id
),
merged AS (
  MERGE INTO clinicians AS known
  USING person
  ON known.tenant_id = person.tenant_id AND known.external_id = person.external_id
  WHEN MATCHED AND (known.full_name, known.email, known.phone, known.whatsapp, known.timezone) IS DISTINCT FROM (
      coalesce(person.full_name, known.full_name), coalesce(person.email, known.email),
      coalesce(person.phone, known.phone), coalesce(person.whatsapp, known.whatsapp),
      coalesce(person.timezone, known.timezone)) THEN
    UPDATE SET
      full_name = coalesce(person.full_name, known.full_name),
      email = coalesce(person.email, known.email),
      phone = coalesce(person.phone, known.phone),
      whatsapp = coalesce(person.whatsapp, known.whatsapp),
      timezone = coalesce(person.timezone, known.timezone),
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
