"""What tenants have of their own to send by, in one statement for all that are asked about."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from nolapse.domain.senders import Sending
from nolapse.storage.statements import statement


def read_sending(connection: Connection, tenants: Collection[UUID] | None = None) -> dict[UUID, Sending]:
    """Of these tenants (None: all); who has nothing of its own is left out."""
    limits: dict[UUID, int | None] = {}
    senders: dict[UUID, dict[str, dict[str, int | None]]] = {}
    asked = {"tenants": None if tenants is None else list(tenants)}
    for row in connection.execute(statement("sending"), asked):
        limits[row.tenant_id] = row.per_minute
        own = senders.setdefault(row.tenant_id, {})
        if row.provider:
            own.setdefault(row.provider, {})[row.address] = row.per_minute_of_sender
    return {tenant: Sending(limit, senders[tenant]) for tenant, limit in limits.items()}
