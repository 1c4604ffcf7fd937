"""Policies from their documents into the database: what changed becomes a draft, what is in force is never edited."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

from nolapse.planning.policies.catalog import DraftId
from nolapse.planning.policies.document import PolicyDocument
from nolapse.planning.policies.errors import NoSuchTenant
from nolapse.planning.policies.versions import lock, record

TENANT = text("SELECT tenant_id FROM tenants WHERE slug = :slug")
UPSERT = text("""
INSERT INTO renewal_policies AS policy (tenant_id, occasion, license_type, state, name)
VALUES (CAST(:tenant_id AS uuid), :occasion, CAST(:license_type AS text), CAST(:state AS text), :name)
ON CONFLICT (tenant_id, occasion, license_type, state) DO UPDATE SET name = excluded.name
RETURNING policy_id
""")
VERSIONS = text("""
SELECT version, status, opens, closes, leap_day, grace_days, buffer_days, business_days, holidays, steps
FROM policy_version WHERE policy_id = :policy_id ORDER BY version
""")
WITHDRAW = text(
    "UPDATE policy_version SET status = 'RETIRED' WHERE policy_id = :policy_id AND status = 'DRAFT'"
)
CLEAR_SHADOW = text("DELETE FROM schedule_shadow WHERE policy_id = :policy_id")
DRAFT = text("""
INSERT INTO policy_version (policy_id, version, tenant_id, status, created_at,
  opens, closes, leap_day, grace_days, buffer_days, business_days, holidays, steps)
SELECT policy_id, :version, tenant_id, 'DRAFT', :now,
  :opens, :closes, :leap_day, :grace_days, :buffer_days, :business_days, CAST(:holidays AS text), CAST(:steps AS jsonb)
FROM renewal_policies WHERE policy_id = :policy_id
""")


class Change(StrEnum):
    UNCHANGED = "unchanged"
    DRAFTED = "drafted"
    WITHDRAWN = "draft withdrawn"


class Loaded(NamedTuple):
    """What one document did; `draft` is the version that now waits to be activated."""

    name: str
    change: Change
    draft: DraftId | None


def load(connection: Connection, documents: Iterable[PolicyDocument], *, now: datetime) -> list[Loaded]:
    """A second load of the same documents changes nothing; one that says again what is in force withdraws a draft."""
    lock(connection)
    return [_load_one(connection, document, now) for document in documents]


def _load_one(connection: Connection, document: PolicyDocument, now: datetime) -> Loaded:
    policy_id: UUID = connection.scalar(
        UPSERT, {**document.model_dump(include={"occasion", "license_type", "state", "name"}),
                 "tenant_id": _tenant_id(connection, document)},
    )  # fmt: skip
    versions = connection.execute(VERSIONS, {"policy_id": policy_id}).all()
    by_status = {row.status: row for row in versions}
    draft, active = by_status.get("DRAFT"), by_status.get("ACTIVE")
    content = _content(document)
    if draft is not None and _holds(draft, content):
        return Loaded(document.name, Change.UNCHANGED, DraftId(policy_id, draft.version))
    if draft is not None:
        connection.execute(WITHDRAW, {"policy_id": policy_id})
        connection.execute(CLEAR_SHADOW, {"policy_id": policy_id})
        record(connection, "withdrawn", policy_id, former=draft.version, version=None, now=now)
    if active is not None and _holds(active, content):
        return Loaded(document.name, Change.WITHDRAWN if draft else Change.UNCHANGED, None)
    version = versions[-1].version + 1 if versions else 1
    connection.execute(
        DRAFT,
        {
            **content,
            "steps": json.dumps(content["steps"]),
            "policy_id": policy_id,
            "version": version,
            "now": now,
        },
    )
    former = active.version if active else None
    record(connection, "drafted", policy_id, former=former, version=version, now=now)
    return Loaded(document.name, Change.DRAFTED, DraftId(policy_id, version))


def _tenant_id(connection: Connection, document: PolicyDocument) -> UUID | None:
    if document.tenant is None:
        return None
    tenant_id: UUID | None = connection.scalar(TENANT, {"slug": document.tenant})
    if tenant_id is None:
        raise NoSuchTenant(document.name, document.tenant)
    return tenant_id


def _content(document: PolicyDocument) -> dict[str, Any]:
    """The columns of a version."""
    return {
        **document.model_dump(include={"leap_day", "grace_days", "buffer_days", "business_days", "holidays"}),
        "opens": document.window.opens,
        "closes": document.window.closes,
        "steps": _in_order([step.model_dump() for step in document.steps]),
    }


def _holds(row: Row[Any], content: Mapping[str, Any]) -> bool:
    held = row._mapping  # noqa: SLF001  SQLAlchemy's public name for it
    return all(
        (_in_order(held[column]) if column == "steps" else held[column]) == value
        for column, value in content.items()
    )


def _in_order(steps: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A file may list its steps in any order."""
    return sorted(steps, key=lambda step: (step["days"], step["event"]))
