-- What is held of the licence and date that the row of `schedule` is about: the last answer of each reader, by whichever
-- of their messages, of those who may answer today: its holder, and who leads them.
-- Walks acknowledgements_by_license and primary keys.
  SELECT DISTINCT ON (said.clinician_id) said.clinician_id AS reader, answer, at
  FROM acknowledgements AS said
  JOIN licenses AS held USING (tenant_id, license_id)
  JOIN clinicians AS its_holder ON its_holder.clinician_id = held.clinician_id
  WHERE (said.tenant_id, said.license_id, said.occurrence)
      = (schedule.tenant_id, schedule.license_id, schedule.occurrence)
    AND said.clinician_id IN (its_holder.clinician_id, its_holder.supervisor_id)
  ORDER BY said.clinician_id, at DESC, acknowledgement_id DESC
