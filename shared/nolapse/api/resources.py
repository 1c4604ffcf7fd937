"""The resources of /v1: each a file, whose routes are made when one of them is first asked for.

An instance that starts answers one request: the models of the other files, and what they import, it may never need.
"""

from collections.abc import Mapping
from importlib import import_module

from nolapse.api.v1 import V1

# The file that makes a route, by what the route begins with: the longest counts.
FILES: Mapping[str, str] = {
    "/v1/audit": "audit",
    "/v1/clinicians": "clinicians",
    "/v1/clinicians/<clinician_id>/calendar": "calendar_links",
    "/v1/clinicians/<clinician_id>/erase": "privacy",
    "/v1/clinicians/<clinician_id>/export": "privacy",
    "/v1/clinicians/<clinician_id>/links": "calendar_links",
    "/v1/clinicians/<clinician_id>/timeline": "notifications",
    "/v1/holds": "sending",
    "/v1/imports": "imports",
    "/v1/licenses": "licenses",
    "/v1/licenses/<license_id>/timeline": "notifications",
    "/v1/medications": "medications",
    "/v1/notifications": "notifications",
    "/v1/notifications/<key>/preview": "sending",
    "/v1/notifications/resend": "sending",
    "/v1/policies": "policies",
    "/v1/policies/<policy_id>/activate": "policy_decisions",
    "/v1/policies/<policy_id>/diff": "policy_decisions",
    "/v1/policies/<policy_id>/rollback": "policy_decisions",
    "/v1/renewals": "renewals",
    "/v1/reports": "reports",
    "/v1/suppressions": "suppressions",
    "/v1/tenants": "tenants",
    "/v1/tenants/<tenant_id>/senders": "senders",
    "/v1/users": "users",
}


class Resources:
    def __init__(self, v1: V1) -> None:
        self._v1 = v1
        self._made: set[str] = set()

    def make(self, route: str | None) -> None:
        """Before `route` is asked for. Those of no resource, and None, are made already or not at all."""
        beginnings = [each for each in FILES if route and route.startswith(each)]
        if beginnings:
            self._make(FILES[max(beginnings, key=len)])

    def make_all(self) -> None:
        for file in FILES.values():
            self._make(file)

    def _make(self, file: str) -> None:
        if file not in self._made:
            import_module(f"nolapse.api.{file}").add_routes(self._v1)
            self._made.add(file)
