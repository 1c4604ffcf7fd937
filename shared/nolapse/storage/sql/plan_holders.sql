-- Planning the dates of :clinician_ids, who hold :licenses, :dates and :medications; see plan_changes.sql. Most of what it
-- costs is the optimiser's, which looks at every month and its indexes each time that the schedule is named: so `present`
-- is read once and kept, and the ids are given, for it to see how few they are; of what is NULL it drops the condition.
-- Walks licenses_by_clinician and notification_schedule_by_license, and their likes for dates and medications.
WITH
-- include expected
,
present AS MATERIALIZED (
  SELECT schedule.*
  FROM notification_schedule AS schedule
  WHERE tenant_id = ANY (CAST(:tenants AS uuid[]))
    AND (
      (CAST(:licenses AS uuid[]) IS NOT NULL AND license_id = ANY (CAST(:licenses AS uuid[])))
      OR (CAST(:dates AS uuid[]) IS NOT NULL AND person_date_id = ANY (CAST(:dates AS uuid[])))
      OR (CAST(:medications AS uuid[]) IS NOT NULL AND medication_id = ANY (CAST(:medications AS uuid[]))))
),
-- include plan_changes
