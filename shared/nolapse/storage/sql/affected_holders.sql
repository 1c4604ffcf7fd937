-- Whose dates an edit of these people may move: their own, those of whom they supervise, and those whose medication they
-- care for. Walks clinicians_by_supervisor and medications_by_caregiver.
SELECT unnest(CAST(:people AS uuid[])) AS clinician_id
UNION
SELECT clinician_id FROM clinicians WHERE supervisor_id = ANY (CAST(:people AS uuid[]))
UNION
SELECT clinician_id FROM medications WHERE caregiver_id = ANY (CAST(:people AS uuid[]))
