-- What is held of the licence and date that the row of `schedule` is about: of each notification, its last answer.
-- Walks acknowledgements_by_license.
  SELECT DISTINCT ON (idempotency_key) idempotency_key, answer
  FROM acknowledgements
  WHERE (acknowledgements.tenant_id, acknowledgements.license_id, acknowledgements.occurrence)
      = (schedule.tenant_id, schedule.license_id, schedule.occurrence)
  ORDER BY idempotency_key, at DESC, acknowledgement_id DESC
