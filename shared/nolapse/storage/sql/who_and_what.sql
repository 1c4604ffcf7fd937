-- Whom a row of the schedule tells, whose date it is about, and that. Walks primary keys.
JOIN clinicians AS person USING (clinician_id)
LEFT JOIN licenses USING (license_id)
LEFT JOIN person_dates USING (person_date_id)
LEFT JOIN medications USING (medication_id)
JOIN clinicians AS holder
  ON holder.clinician_id = coalesce(licenses.clinician_id, person_dates.clinician_id, medications.clinician_id)
