-- Who is deleted has left, and is not shown any more; what was sent to them stays on record. Walks clinicians_pkey.
UPDATE clinicians
SET status = CASE status WHEN 'ACTIVE' THEN 'LEFT' ELSE status END, deleted_at = :now, updated_at = :now
WHERE clinician_id = :clinician_id
