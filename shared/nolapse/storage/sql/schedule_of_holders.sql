-- Every notification about the licences, dates and medications of :clinician_ids, told to whomever.
-- Walks licenses_by_clinician and notification_schedule_by_license, and their likes for dates and medications.
SELECT schedule.*
FROM notification_schedule AS schedule
JOIN licenses USING (tenant_id, license_id)
WHERE licenses.clinician_id = ANY (CAST(:clinician_ids AS uuid[]))
UNION ALL
SELECT schedule.*
FROM notification_schedule AS schedule
JOIN person_dates USING (person_date_id)
WHERE person_dates.clinician_id = ANY (CAST(:clinician_ids AS uuid[]))
UNION ALL
SELECT schedule.*
FROM notification_schedule AS schedule
JOIN medications USING (tenant_id, medication_id)
WHERE medications.clinician_id = ANY (CAST(:clinician_ids AS uuid[]))
