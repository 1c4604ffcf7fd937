"""Which policies there are, by the name that people call them, and what is in force or waits to be."""

from datetime import datetime, time
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.planning.policies.errors import AmbiguousPolicy, NotADraft, UnknownPolicy

# A policy that was rolled back to none has one line, without a version.
ENTRIES = text("""
SELECT policy_id, policy.name, slug, occasion, license_type, state, version, policy_version.status, activated_at,
       steps, opens, closes, business_days, holidays
FROM renewal_policies AS policy
LEFT JOIN tenants USING (tenant_id)
LEFT JOIN policy_version USING (policy_id)
WHERE policy_version.status <> 'RETIRED' OR NOT EXISTS (
  SELECT FROM policy_version AS standing WHERE standing.policy_id = policy.policy_id AND standing.status <> 'RETIRED'
)
ORDER BY slug NULLS FIRST, occasion <> 'LICENSE_EXPIRY', occasion, license_type NULLS FIRST, state NULLS FIRST,
         policy_id, version
""")
FIND = text("""
SELECT policy_id FROM renewal_policies LEFT JOIN tenants USING (tenant_id)
WHERE renewal_policies.name = :name AND (CAST(:tenant AS text) IS NULL OR slug = :tenant)
""")
DRAFT = text("SELECT version FROM policy_version WHERE policy_id = :policy_id AND status = 'DRAFT'")


class Entry(NamedTuple):
    """A version in force or in draft; `tenant` None is the platform, `license_type` and `state` None any."""

    policy_id: UUID
    name: str
    tenant: str | None
    occasion: str
    license_type: str | None
    state: str | None
    version: int
    status: str
    activated_at: datetime | None
    steps: list[dict[str, Any]]
    opens: time
    closes: time
    business_days: str
    holidays: str | None


class DraftId(NamedTuple):
    policy_id: UUID
    version: int


def entries(connection: Connection) -> list[Entry]:
    return [Entry(*row) for row in connection.execute(ENTRIES)]


def find_policy(connection: Connection, name: str, tenant: str | None = None) -> UUID:
    """Of the platform or of any tenant, unless `tenant` (a slug) says whose."""
    found: list[UUID] = list(connection.scalars(FIND, {"name": name, "tenant": tenant}))
    if not found:
        raise UnknownPolicy(name, sorted({entry.name for entry in entries(connection)}))
    if len(found) > 1:
        raise AmbiguousPolicy(name, len(found))
    return found[0]


def find_draft(connection: Connection, policy_id: UUID) -> DraftId:
    version = connection.scalar(DRAFT, {"policy_id": policy_id})
    if version is None:
        raise NotADraft(policy_id, None)
    return DraftId(policy_id, version)
