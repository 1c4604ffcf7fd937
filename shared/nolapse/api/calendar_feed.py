"""A person's licences as a calendar to subscribe to (RFC 5545), by a link that lasts until it is revoked."""

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from sqlalchemy import Engine

from nolapse.api.calendar_file import calendar_of
from nolapse.api.linked import ACTOR
from nolapse.api.pages import private
from nolapse.domain.links import FEED, DeadLink, Links
from nolapse.storage.engine import tenant_transaction
from nolapse.storage.statements import statement

Token = Annotated[str, Query(max_length=1_000)]


def add_routes(
    app: APIGatewayHttpResolver,
    engine: Engine,
    links: Links,
    clock: Callable[[], datetime],
    *,
    portal_url: str,
) -> None:
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
