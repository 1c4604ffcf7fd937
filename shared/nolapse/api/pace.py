"""How many requests a minute: of one caller, and of a whole tenant. Counted in PostgreSQL, so by all instances as one.

There is no way to turn it off, in any environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from nolapse.api.errors import Forbidden, TooMany
from nolapse.api.identity import Principal
from nolapse.storage.engine import said, tenant_transaction
from nolapse.storage.statements import statement

MINUTE_SECONDS = 60
NO_TENANT = "api_pace_tenant_id_fkey"


@dataclass(frozen=True, slots=True)
class Pace:
    """Requests a minute."""

    per_principal: int
    per_tenant: int

    def take(self, engine: Engine, principal: Principal, now: datetime) -> Mapping[str, str]:
        """The headers that say what is left. Raises TooMany with them, and Forbidden for a tenant that is not there."""
        with tenant_transaction(engine, principal.actor, principal.tenant_id) as connection:
            try:
                used = connection.execute(
                    statement("take_api_pace"),
                    {
                        "tenant_id": principal.tenant_id,
                        "subject": principal.subject,
                        "most": self.per_principal,
                        "now": now,
                    },
                ).one()
            except DBAPIError as error:
                if said(error, "n") != NO_TENANT:
                    raise
                raise Forbidden("NO_TENANT", "the tenant that the token names is not there") from None
        limit, count = min(
            (self.per_principal, used.by_caller),
            (self.per_tenant, used.by_tenant),
            key=lambda pair: pair[0] - pair[1],
        )
        wait = str(MINUTE_SECONDS - now.second)
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(max(0, limit - count)),
            "X-RateLimit-Reset": wait,
        }
        if count > limit:
            whose = "you" if used.by_caller > self.per_principal else "your tenant"
            message = f"{limit} requests a minute are all that {whose} may make: wait {wait} seconds"
            raise TooMany("TOO_MANY_REQUESTS", message, headers={**headers, "Retry-After": wait})
        return headers
