-- Of the given dates what has been told, is under way or was dropped with a reason, whenever that was.
-- Walks notification_schedule_by_license, _by_person_date and _by_medication.
SELECT license_id AS subject_id, event, occurrence, clinician_id
FROM notification_schedule
WHERE tenant_id = ANY (CAST(:tenants AS uuid[])) AND license_id = ANY (CAST(:subjects AS uuid[]))
  AND (status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED') OR (status = 'CANCELLED' AND claimed_at IS NOT NULL))
UNION ALL
SELECT person_date_id, event, occurrence, clinician_id
FROM notification_schedule
WHERE person_date_id = ANY (CAST(:subjects AS uuid[]))
  AND (status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED') OR (status = 'CANCELLED' AND claimed_at IS NOT NULL))
UNION ALL
SELECT medication_id, event, occurrence, clinician_id
FROM notification_schedule
WHERE tenant_id = ANY (CAST(:tenants AS uuid[])) AND medication_id = ANY (CAST(:subjects AS uuid[]))
  AND (status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED') OR (status = 'CANCELLED' AND claimed_at IS NOT NULL))
