"""A person's licences as a calendar to subscribe to (RFC 5545), by a link that lasts until it is revoked."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import Engine

from nolapse.api import clinicians
from nolapse.api.calendar_file import calendar_of
from nolapse.api.linked import ACTOR
from nolapse.api.pages import private
from nolapse.api.schemas import Model
from nolapse.api.v1 import V1
from nolapse.domain.links import FEED, DeadLink, Links, PersonLink
from nolapse.storage.engine import tenant_transaction
from nolapse.storage.statements import statement

Token = Annotated[str, Query(max_length=1_000)]


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


def add_feed(
    app: APIGatewayHttpResolver,
    engine: Engine,
    links: Links,
    clock: Callable[[], datetime],
    *,
    portal_url: str,
) -> None:
    """The calendar itself, which its link alone opens."""

    @app.get("/clinicians/<clinician_id>/calendar.ics")
    def feed(clinician_id: UUID, token: Token) -> Response[bytes]:
        link = links.open_person(FEED, token, clock())
        if link.clinician_id != clinician_id:
            raise DeadLink(FEED)
        asked = {
            "tenant_id": link.tenant_id,
            "clinician_id": link.clinician_id,
            "issued_at": link.issued_at,
        }
        with tenant_transaction(engine, ACTOR, link.tenant_id, read_only=True) as connection:
            rows = connection.execute(statement("calendar_feed"), asked).all()
        if not rows or not rows[0].link_is_good:
            raise DeadLink(FEED)
        return Response(
            status_code=HTTPStatus.OK,
            content_type="text/calendar; charset=utf-8",
            body=calendar_of([row for row in rows if row.license_id], portal_url),
            headers=private(),
        )
