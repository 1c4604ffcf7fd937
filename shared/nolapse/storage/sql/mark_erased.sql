-- Walks clinicians_pkey.
UPDATE clinicians SET erased_at = :now WHERE clinician_id = :clinician_id
