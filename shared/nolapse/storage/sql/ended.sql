-- Why nothing calls for a notification any more, as planning would say of one that waits; NULL where something may.
-- Of the row of `schedule` with its `person`, `holder`, `licenses`, `person_dates` and `medications`.
  CASE
    WHEN person.status <> 'ACTIVE' OR holder.status <> 'ACTIVE' THEN 'person left'
    WHEN licenses.status = 'ENDED' THEN 'licence ended'
    WHEN schedule.license_id IS NOT NULL AND licenses.expires_on IS DISTINCT FROM schedule.occasion_date
      THEN 'date moved'
    WHEN schedule.person_date_id IS NOT NULL AND person_dates.on_date IS NULL THEN 'date removed'
    WHEN medications.status = 'STOPPED' THEN 'medication stopped'
    WHEN (person.clinician_id IN (holder.clinician_id, holder.supervisor_id, medications.caregiver_id)) IS NOT TRUE
      THEN 'recipient changed'
    -- who leads or cares for the holder is told what is for them, and not what was for themselves as a former holder
    WHEN person.clinician_id <> holder.clinician_id AND NOT EXISTS (
      SELECT FROM policy_version
      CROSS JOIN LATERAL jsonb_to_recordset(steps) AS step (event text, recipients jsonb)
      WHERE (policy_version.policy_id, policy_version.version) = (schedule.policy_id, schedule.policy_version)
        AND step.event = schedule.event AND NOT recipients <@ CAST('["HOLDER"]' AS jsonb))
      THEN 'recipient changed'
  END
