-- A person, deleted or not, kept from being changed until this transaction ends. Walks clinicians_pkey.
SELECT clinician_id, external_id, erased_at FROM clinicians WHERE clinician_id = :clinician_id FOR NO KEY UPDATE
