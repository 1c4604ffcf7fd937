-- What was stopped is not shown any more; what was sent about it stays on record. Walks medications_pkey.
UPDATE medications SET deleted_at = :now, updated_at = :now WHERE medication_id = :medication_id
