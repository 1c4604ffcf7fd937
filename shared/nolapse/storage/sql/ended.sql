-- Why nothing calls for a notification any more, as planning would say of one that waits; NULL where something may.
-- Of the row of `schedule` with its `person`, `holder`, `licenses` and `medications`.
  CASE
    WHEN person.status <> 'ACTIVE' OR holder.status <> 'ACTIVE' THEN 'person left'
    WHEN licenses.status = 'ENDED' THEN 'licence ended'
    WHEN licenses.expires_on <> schedule.occasion_date THEN 'date moved'
    WHEN medications.status = 'STOPPED' THEN 'medication stopped'
  END
