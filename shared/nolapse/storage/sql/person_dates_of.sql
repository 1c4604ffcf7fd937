-- The yearly dates of these people that are told. Walks person_dates_tenant_id_clinician_id_kind_key.
SELECT clinician_id, kind, on_date
FROM person_dates
WHERE tenant_id = :tenant_id AND clinician_id = ANY (CAST(:people AS uuid[])) AND on_date IS NOT NULL
