"""The page behind the link in a reminder: what expires, and what its reader says about it.

Mail scanners follow links, so a GET reads and nothing else, in a transaction that PostgreSQL itself keeps from writing.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from sqlalchemy import Connection, Engine, Row

from nolapse.api.calendar_file import calendar_of
from nolapse.api.forms import fields
from nolapse.api.linked import ACTOR, Clock, find_linked
from nolapse.api.pages import page, private
from nolapse.domain.answers import PATIENCE, Answer
from nolapse.domain.links import ACKNOWLEDGE, CALENDAR, DeadLink, Links, NotificationLink
from nolapse.domain.seals import BrokenSeal
from nolapse.domain.zones import pinned_zone
from nolapse.storage.engine import tenant_transaction
from nolapse.storage.statements import statement

if TYPE_CHECKING:
    from nolapse.messages.schemas import ReminderVariables


def add_routes(
    app: APIGatewayHttpResolver,
    engine: Engine,
    links: Links,
    clock: Clock,
    *,
    portal_url: str,
    count: Callable[[Mapping[str, int]], None],
) -> None:
    @app.get("/r/<token>")
    def show(token: str) -> Response[str]:
        now = clock()
        link = links.open_notification(ACKNOWLEDGE, token, now)
        row = _look(engine, link)
        zone = pinned_zone(row.zone)
        calendar = links.seal(CALENDAR, link)
        facts = _facts(row, now, portal_url=portal_url, acknowledge_url=f"{links.base}/r/{token}")
        return page(
            "acknowledge.html",
            **facts.model_dump(),
            panel=facts.panel(),
            is_holder=row.is_holder,
            is_open=row.is_open,
            register_date=row.expires_on,
            answer=row.answer,
            answered_on=row.answered_at and row.answered_at.astimezone(zone).date(),
            patience_days=PATIENCE.days,
            calendar=f"./{calendar}/calendar.ics",
        )

    @app.post("/r/<token>")
    def answer(token: str) -> Response[str]:
        now = clock()
        link = links.open_notification(ACKNOWLEDGE, token, now)
        try:
            said = Answer(fields(app.current_event).get("answer", ""))
        except ValueError:
            return page("no_answer.html", HTTPStatus.BAD_REQUEST, back=f"./{token}")
        if record(engine, link, said, now):
            count({f"answered_{said.value.lower()}": 1})
        return Response(
            status_code=HTTPStatus.SEE_OTHER, headers={**private(), "Location": f"./{token}"}, body=""
        )

    @app.get("/r/<token>/calendar.ics")
    def calendar(token: str) -> Response[bytes]:
        link = links.open_notification(CALENDAR, token, clock())
        return Response(
            status_code=HTTPStatus.OK,
            content_type="text/calendar; charset=utf-8",
            body=calendar_of([_look(engine, link)], portal_url),
            headers={**private(), "Content-Disposition": 'attachment; filename="license.ics"'},
        )


def record(engine: Engine, link: NotificationLink, answer: Answer, now: datetime) -> bool:
    """False where nothing is left to say, or the same was said last: an answer repeated is one answer."""
    with tenant_transaction(engine, ACTOR, link.tenant_id) as connection:
        connection.execute(statement("lock_answer"), {"key": link.key, "scheduled_at": link.scheduled_at})
        row = _find(connection, link)
        if not row.is_open or row.answer == answer:
            return False
        about = {
            "tenant_id": row.tenant_id,
            "license_id": row.license_id,
            "occurrence": row.occurrence,
            "answer": answer.value,
            "now": now,
        }
        # Rows before the audit log, as everybody else: two could wait for one another's.
        connection.execute(
            statement("heed_answer"),
            {**about, "reader": row.clinician_id, "patience": PATIENCE},
        )
        connection.execute(
            statement("record_answer"),
            {**about, "clinician_id": row.clinician_id, "key": link.key, "scheduled_at": link.scheduled_at},
        )
    return True


def _look(engine: Engine, link: NotificationLink) -> Row[Any]:
    with tenant_transaction(engine, ACTOR, link.tenant_id, read_only=True) as connection:
        return _find(connection, link)


def _find(connection: Connection, link: NotificationLink) -> Row[Any]:
    return find_linked(connection, statement("find_answerable"), link, ACKNOWLEDGE)


def _facts(row: Row[Any], now: datetime, **urls: str) -> "ReminderVariables":
    """What the message said, as of today."""
    from nolapse.messages.schemas import EscalationVariables, ReminderVariables, mask  # noqa: PLC0415  only its page pays

    today = now.astimezone(pinned_zone(row.zone)).date()
    facts = {
        **urls,
        "clinic_name": row.clinic_name,
        "license_type": row.license_type,
        "state": row.state,
        "license_last4": mask(row.license_number),
        "expires_on": row.occasion_date,
        "days_left": (row.occasion_date - today).days,
    }
    if row.is_holder:
        return ReminderVariables.model_validate(facts)
    return EscalationVariables.model_validate({**facts, "holder_name": row.holder_name})


def refused_link(error: BrokenSeal | DeadLink) -> Response[str]:
    """A page for who comes by a link that opens nothing, with what to do."""
    if isinstance(error, DeadLink) or error.expired:
        return page("link_over.html", HTTPStatus.GONE)
    return page("link_unknown.html", HTTPStatus.NOT_FOUND)
