"""What operators set for a tenant by hand, each audited under who did it: links revoked, a webhook named or removed."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.domain.endpoints import FORM, is_endpoint
from nolapse.domain.errors import NolapseError
from nolapse.storage.statements import statement


class NobodyThere(NolapseError):
    """No such tenant, or nobody in it whom its own systems call so."""

    def __init__(self, tenant: str, person: str | None) -> None:
        whom = (
            f"{tenant!r} has nobody called {person!r}"
            if person
            else f"{tenant!r} has nobody, or is no tenant"
        )
        super().__init__(f"{whom}: people go by their external_id, tenants by their slug")


class NoWebhook(NolapseError):
    """No such tenant, or it has no webhook."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"{tenant!r} is no tenant, or has no webhook: tenants go by their slug")


class NotAnAddress(NolapseError):
    """As domain/endpoints.py has it."""

    def __init__(self) -> None:
        super().__init__(f"the address of a webhook is {FORM}")


def revoke_links(connection: Connection, tenant: str, person: str | None, *, who: str, now: datetime) -> int:
    """Kill the links in messages to a person, or to all people of a tenant; returns to how many. Raises NobodyThere."""
    rows = connection.execute(
        statement("revoke_links"), {"tenant": tenant, "person": person, "now": now}
    ).all()
    if not rows:
        raise NobodyThere(tenant, person)
    whose = {f"clinician:{row.clinician_id}": row.tenant_id for row in rows}
    audit(connection, "links.revoked", whose, who, now)
    return len(rows)


def set_webhook(connection: Connection, tenant: str, url: str, *, who: str, now: datetime) -> UUID:
    """Name a tenant's endpoint; returns the tenant's id, by which its secret is called. Raises NolapseError."""
    if not is_endpoint(url):
        raise NotAnAddress
    return _webhook(connection, "set_webhook", {"tenant": tenant, "url": url, "now": now}, who, now)


def remove_webhook(connection: Connection, tenant: str, *, who: str, now: datetime) -> UUID:
    """Raises NoWebhook."""
    return _webhook(connection, "remove_webhook", {"tenant": tenant}, who, now)


def _webhook(
    connection: Connection, change: str, parameters: dict[str, object], who: str, now: datetime
) -> UUID:
    changed: UUID | None = connection.scalar(statement(change), parameters)
    if changed is None:
        raise NoWebhook(str(parameters["tenant"]))
    action = {"set_webhook": "webhook.set", "remove_webhook": "webhook.removed"}[change]
    audit(connection, action, {f"tenant:{changed}": changed}, who, now)
    return changed


def audit(connection: Connection, action: str, whose: Mapping[str, UUID], who: str, now: datetime) -> None:
    """`whose`: subject and its tenant. Last: whoever holds the audit's lock must not wait for rows any more."""
    connection.execute(text("SELECT set_config('app.actor', :who, true)"), {"who": who})
    connection.execute(
        statement("audit_by_hand"),
        {
            "action": action,
            "tenants": list(whose.values()),
            "subjects": list(whose),
            "reasons": [None] * len(whose),
            "now": now,
        },
    )
