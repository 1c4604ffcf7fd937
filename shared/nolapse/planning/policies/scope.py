"""Whose dates a policy may decide about: how much of the base a change of it has to read."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

# Up to so many people the statements walk indexes; beyond, they read the tenant or the base as a whole.
NARROW = 2000
HOLDERS = text("""
SELECT clinician_id FROM licenses
JOIN renewal_policies AS policy ON policy.occasion = 'LICENSE_EXPIRY'
  AND (policy.tenant_id IS NULL OR policy.tenant_id = licenses.tenant_id)
  AND (policy.license_type IS NULL OR policy.license_type = licenses.license_type)
  AND (policy.state IS NULL OR policy.state = licenses.state)
WHERE policy_id = ANY (CAST(:policy_ids AS uuid[]))
UNION
SELECT clinician_id FROM person_dates
JOIN renewal_policies AS policy ON policy.occasion = person_dates.kind
  AND (policy.tenant_id IS NULL OR policy.tenant_id = person_dates.tenant_id)
WHERE policy_id = ANY (CAST(:policy_ids AS uuid[]))
UNION
SELECT clinician_id FROM medications
JOIN renewal_policies AS policy ON policy.occasion = 'DOSE'
  AND (policy.tenant_id IS NULL OR policy.tenant_id = medications.tenant_id)
WHERE policy_id = ANY (CAST(:policy_ids AS uuid[]))
LIMIT :most
""")
TENANTS = text(
    "SELECT DISTINCT tenant_id FROM renewal_policies WHERE policy_id = ANY (CAST(:policy_ids AS uuid[]))"
)


class Scope(NamedTuple):
    """As the planner takes it: None is all."""

    tenant_id: UUID | None
    clinician_ids: list[UUID] | None


def scope_of(connection: Connection, policy_ids: Sequence[UUID]) -> Scope:
    named = {"policy_ids": list(policy_ids)}
    tenants: list[UUID | None] = list(connection.scalars(TENANTS, named))
    holders: list[UUID] = list(connection.scalars(HOLDERS, {**named, "most": NARROW + 1}))
    return Scope(
        tenant_id=tenants[0] if len(tenants) == 1 else None,
        clinician_ids=holders if len(holders) <= NARROW else None,
    )
