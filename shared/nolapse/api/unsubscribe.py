"""Leaving with one click: the address behind List-Unsubscribe of every e-mail (RFC 8058).

A mail client POSTs to it without showing anything; who opens it sees a page with one button, which POSTs the same. A
GET reads and nothing else, in a transaction that PostgreSQL itself keeps from writing: scanners follow links.
"""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from sqlalchemy import Connection, Engine, Row

from nolapse.api.linked import ACTOR, Clock, find_linked
from nolapse.api.pages import page
from nolapse.domain.links import UNSUBSCRIBE, Links, NotificationLink
from nolapse.storage.engine import tenant_transaction
from nolapse.storage.statements import statement


def add_routes(
    app: APIGatewayHttpResolver,
    engine: Engine,
    links: Links,
    clock: Clock,
    *,
    count: Callable[[Mapping[str, int]], None],
) -> None:
    @app.get("/u/<token>")
    def show(token: str) -> Response[str]:
        link = links.open_notification(UNSUBSCRIBE, token, clock())
        with tenant_transaction(engine, ACTOR, link.tenant_id, read_only=True) as connection:
            return _page(_find(connection, link))

    @app.post("/u/<token>")
    def unsubscribe(token: str) -> Response[str]:
        now = clock()
        link = links.open_notification(UNSUBSCRIBE, token, now)
        with tenant_transaction(engine, ACTOR, link.tenant_id) as connection:
            row = _find(connection, link)
            connection.execute(
                statement("unsubscribe"),
                {"tenant_id": link.tenant_id, "address": row.recipient, "now": now},
            )
            left = _find(connection, link)
        if not row.is_unsubscribed:
            count({"unsubscribed": 1})
        # No redirect: RFC 8058 §3.2 has mail clients that don't follow any.
        return _page(left)


def _find(connection: Connection, link: NotificationLink) -> Row[Any]:
    return find_linked(connection, statement("find_unsubscribable"), link, UNSUBSCRIBE)


def _page(row: Row[Any]) -> Response[str]:
    return page(
        "unsubscribe.html",
        clinic_name=row.clinic_name,
        address=_masked(row.recipient),
        is_unsubscribed=row.is_unsubscribed,
    )


def _masked(address: str) -> str:
    """Enough to know one's own by: whoever has the message could read the rest there."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"
