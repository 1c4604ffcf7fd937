-- The stored doses of :medications from :since to :until become the given ones; returns whose changed. Wrong: a stored
-- dose that differs, or one missing before `expanded_until`, up to where the last expansion had come.
-- Walks the primary keys of doses and medications.
WITH given AS (
  SELECT *
  FROM unnest(
    CAST(:ids AS uuid[]), CAST(:occurrences AS text[]), CAST(:days AS date[]), CAST(:dues AS timestamptz[]),
    CAST(:closings AS timestamptz[])
  ) AS dose (medication_id, occurrence, due_on, due_at, closes_at)
),
medication AS (
  SELECT medication_id, tenant_id, clinician_id, expanded_until, updated_at
  FROM medications
  WHERE medication_id = ANY (CAST(:medications AS uuid[]))
),
merged AS (
  MERGE INTO doses
  USING (
    SELECT
      medication_id, medication.tenant_id, occurrence, given.due_on, given.due_at, given.closes_at,
      given.medication_id IS NULL AS gone
    FROM given
    FULL JOIN (
      SELECT doses.medication_id, occurrence FROM doses JOIN medication USING (medication_id)
    ) AS stored USING (medication_id, occurrence)
    JOIN medication USING (medication_id)
  ) AS wanted
  ON (doses.medication_id, doses.occurrence) = (wanted.medication_id, wanted.occurrence)
  WHEN MATCHED AND gone THEN DELETE
  WHEN MATCHED AND (doses.due_on, doses.due_at, doses.closes_at) <> (wanted.due_on, wanted.due_at, wanted.closes_at)
    THEN UPDATE SET due_on = wanted.due_on, due_at = wanted.due_at, closes_at = wanted.closes_at
  WHEN NOT MATCHED THEN
    INSERT (medication_id, tenant_id, occurrence, due_on, due_at, closes_at)
    VALUES (wanted.medication_id, wanted.tenant_id, wanted.occurrence, wanted.due_on, wanted.due_at, wanted.closes_at)
  RETURNING merge_action() AS action, doses.medication_id, doses.due_at
),
expanded AS (
  UPDATE medications SET expanded_until = :until FROM medication
  WHERE medications.medication_id = medication.medication_id
)
SELECT
  medication_id, clinician_id,
  coalesce(bool_or(CASE action
    WHEN 'INSERT' THEN due_at < expanded_until
    -- what is over is dropped without a word
    WHEN 'DELETE' THEN due_at >= CAST(:since AS timestamptz)
    ELSE true
  END), false) AS wrong
FROM merged
JOIN medication USING (medication_id)
WHERE action <> 'DELETE' OR due_at >= CAST(:since AS timestamptz)
GROUP BY medication_id, clinician_id
