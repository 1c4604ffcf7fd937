"""Who may ask what: every route that answers, as data. A route that is not here is not found."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from nolapse.api.errors import Forbidden
from nolapse.api.identity import READ, WRITE, Principal, Role

ANYBODY: frozenset[Role] = frozenset()
ADMIN = frozenset({Role.ADMIN})
STAFF = frozenset({Role.ADMIN, Role.CLINIC})
EVERY_ROLE = frozenset(Role)

# (method, route) -> the roles that may ask; ANYBODY needs no token. A physician reads, and their own records alone.
ROUTES: Mapping[tuple[str, str], frozenset[Role]] = {
    ("GET", "/health"): ANYBODY,
    ("GET", "/health/live"): ANYBODY,
    ("GET", "/health/ready"): ANYBODY,
    ("GET", "/health/db"): ANYBODY,
    ("GET", "/health/detailed"): ADMIN,
    ("GET", "/metrics"): ADMIN,
    ("GET", "/metrics/json"): ADMIN,
    ("GET", "/r/<token>"): ANYBODY,
    ("POST", "/r/<token>"): ANYBODY,
    ("GET", "/r/<token>/calendar.ics"): ANYBODY,
    ("GET", "/clinicians/<clinician_id>/calendar.ics"): ANYBODY,
    ("GET", "/u/<token>"): ANYBODY,
    ("POST", "/u/<token>"): ANYBODY,
    ("GET", "/v1/clinicians"): EVERY_ROLE,
    ("POST", "/v1/clinicians"): STAFF,
    ("POST", "/v1/clinicians/bulk"): STAFF,
    ("GET", "/v1/clinicians/<clinician_id>"): EVERY_ROLE,
    ("PUT", "/v1/clinicians/<clinician_id>"): STAFF,
    ("PATCH", "/v1/clinicians/<clinician_id>"): STAFF,
    ("DELETE", "/v1/clinicians/<clinician_id>"): STAFF,
    ("GET", "/v1/clinicians/<clinician_id>/calendar"): EVERY_ROLE,
    ("POST", "/v1/clinicians/<clinician_id>/links/revoke"): STAFF,
    ("GET", "/v1/clinicians/<clinician_id>/export"): EVERY_ROLE,
    ("POST", "/v1/clinicians/<clinician_id>/erase"): ADMIN,
    ("GET", "/v1/licenses"): EVERY_ROLE,
    ("POST", "/v1/licenses"): STAFF,
    ("POST", "/v1/licenses/bulk"): STAFF,
    ("GET", "/v1/licenses/<license_id>"): EVERY_ROLE,
    ("PUT", "/v1/licenses/<license_id>"): STAFF,
    ("PATCH", "/v1/licenses/<license_id>"): STAFF,
    ("DELETE", "/v1/licenses/<license_id>"): STAFF,
    ("GET", "/v1/users"): EVERY_ROLE,
    ("POST", "/v1/users"): STAFF,
    ("GET", "/v1/users/<user_id>"): EVERY_ROLE,
    ("PUT", "/v1/users/<user_id>"): STAFF,
    ("PATCH", "/v1/users/<user_id>"): STAFF,
    ("DELETE", "/v1/users/<user_id>"): STAFF,
    ("GET", "/v1/medications"): EVERY_ROLE,
    ("POST", "/v1/medications"): STAFF,
    ("GET", "/v1/medications/<medication_id>"): EVERY_ROLE,
    ("PUT", "/v1/medications/<medication_id>"): STAFF,
    ("PATCH", "/v1/medications/<medication_id>"): STAFF,
    ("DELETE", "/v1/medications/<medication_id>"): STAFF,
    ("GET", "/v1/renewals"): EVERY_ROLE,
    ("GET", "/v1/notifications"): EVERY_ROLE,
    ("GET", "/v1/notifications/<key>"): EVERY_ROLE,
    ("GET", "/v1/notifications/<key>/preview"): STAFF,
    ("POST", "/v1/notifications/resend"): STAFF,
    ("GET", "/v1/licenses/<license_id>/timeline"): EVERY_ROLE,
    ("GET", "/v1/clinicians/<clinician_id>/timeline"): EVERY_ROLE,
    ("GET", "/v1/holds"): STAFF,
    ("POST", "/v1/holds/<key>/decision"): STAFF,
    ("GET", "/v1/policies"): STAFF,
    ("POST", "/v1/policies"): ADMIN,
    ("GET", "/v1/policies/<policy_id>"): STAFF,
    ("PUT", "/v1/policies/<policy_id>"): ADMIN,
    ("GET", "/v1/policies/<policy_id>/versions"): STAFF,
    ("GET", "/v1/policies/<policy_id>/versions/<version>"): STAFF,
    ("POST", "/v1/policies/<policy_id>/diff"): ADMIN,
    ("POST", "/v1/policies/<policy_id>/activate"): ADMIN,
    ("POST", "/v1/policies/<policy_id>/rollback"): ADMIN,
    ("GET", "/v1/imports"): STAFF,
    ("POST", "/v1/imports"): STAFF,
    ("GET", "/v1/imports/<import_id>"): STAFF,
    ("GET", "/v1/imports/<import_id>/rejects"): STAFF,
    ("GET", "/v1/audit"): ADMIN,
    ("GET", "/v1/reports/deliveries"): STAFF,
    ("GET", "/v1/reports/lateness"): STAFF,
    ("GET", "/v1/reports/conversion"): STAFF,
    ("GET", "/v1/reports/forecast"): STAFF,
    ("GET", "/v1/reports/drift"): ADMIN,
    ("GET", "/v1/tenants"): ADMIN,
    ("POST", "/v1/tenants"): ADMIN,
    ("GET", "/v1/tenants/<tenant_id>"): ADMIN,
    ("PATCH", "/v1/tenants/<tenant_id>"): ADMIN,
    ("GET", "/v1/tenants/<tenant_id>/webhook"): ADMIN,
    ("PUT", "/v1/tenants/<tenant_id>/webhook"): ADMIN,
    ("DELETE", "/v1/tenants/<tenant_id>/webhook"): ADMIN,
    ("GET", "/v1/tenants/<tenant_id>/senders"): ADMIN,
    ("POST", "/v1/tenants/<tenant_id>/senders"): ADMIN,
    ("GET", "/v1/tenants/<tenant_id>/senders/<sender_id>"): ADMIN,
    ("PATCH", "/v1/tenants/<tenant_id>/senders/<sender_id>"): ADMIN,
    ("DELETE", "/v1/tenants/<tenant_id>/senders/<sender_id>"): ADMIN,
    ("GET", "/v1/suppressions"): STAFF,
    ("POST", "/v1/suppressions/<suppression_id>/lift"): STAFF,
}

# What other systems offer to empty or to fill a base. Nolapse has none of it, in no environment.
NEVER = frozenset(
    f"/api/{name}" for name in ("seed", "demo", "test-data", "mock", "reset-demo", "clear-data")
)


@dataclass(frozen=True, slots=True)
class Asked:
    """`pattern` is that of the routes that the path is of, `methods` are those that it would answer to."""

    method: str
    pattern: str | None
    methods: frozenset[str]

    @property
    def route(self) -> str | None:
        """None where no route answers."""
        return self.pattern if self.method in self.methods else None

    @property
    def is_guarded(self) -> bool:
        return self.route is not None and ROUTES[self.method, self.route] is not ANYBODY


def asked(method: str, path: str) -> Asked:
    patterns = {route for _, route in ROUTES if _pattern(route).fullmatch(path)}
    # /v1/licenses/bulk is that, and no licence of the id `bulk`.
    pattern = path if path in patterns else next(iter(patterns), None)
    return Asked(method, pattern, frozenset(known for known, route in ROUTES if route == pattern))


def authorize(principal: Principal, what: Asked) -> None:
    """Raises Forbidden."""
    scope = READ if what.method == "GET" else WRITE
    if scope not in principal.scopes:
        raise Forbidden("SCOPE", f"this needs a token with the scope {scope}")
    if what.route is not None and principal.role not in ROUTES[what.method, what.route]:
        raise Forbidden("ROLE", f"{principal.role} may not do this")


@cache
def _pattern(route: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<\w+>", r"[^/\\s]+", re.escape(route)))
