"""/v1/clinicians/…/calendar and …/links: a link to a person's licences as a calendar, and the end of every link."""

from uuid import UUID

from pydantic import AwareDatetime, Field

from nolapse.api import clinicians
from nolapse.api.schemas import Model
from nolapse.api.v1 import V1
from nolapse.domain.links import PersonLink
from nolapse.storage.statements import statement


class Feed(Model):
    url: str = Field(
        description="for a calendar's subscription: whoever has it reads the dates, without a token"
    )


class Revoked(Model):
    revoked_at: AwareDatetime = Field(description="links of before are dead")


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/clinicians/<clinician_id>/calendar")
    def get_calendar(clinician_id: UUID) -> Feed:
        """Get a link to a person's licences as a calendar."""
        clinicians.read(v1, clinician_id)
        v1.shows(clinician_id)
        link = PersonLink(v1.principal.tenant_id, clinician_id, v1.now)
        return Feed(url=v1.outside.links.feed(link))

    @v1.route("POST", "/v1/clinicians/<clinician_id>/links/revoke")
    def revoke_links(clinician_id: UUID) -> Revoked:
        """Revoke every link that a person was given: to their calendar, and in messages."""
        rows = v1.connection.execute(
            statement("revoke_links_of"), {"clinician_id": clinician_id, "now": v1.now}
        )
        row = v1.only(rows, "clinician")
        v1.audit("links.revoked", f"clinician:{clinician_id}")
        return Revoked(revoked_at=row.links_revoked_at)
