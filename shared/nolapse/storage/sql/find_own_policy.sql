-- A tenant's own policy for just these dates. Walks the unique key of renewal_policies.
SELECT policy_id FROM renewal_policies
WHERE tenant_id = :tenant_id AND occasion = :occasion
  AND license_type IS NOT DISTINCT FROM CAST(:license_type AS text)
  AND state IS NOT DISTINCT FROM CAST(:state AS text)
