"""What a link in a message leads to: a notification, as long as the link is good."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause

from nolapse.domain.links import DeadLink, NotificationLink

# Who acts, in the audit log.
ACTOR = "link"
Clock = Callable[[], datetime]


def find_linked(connection: Connection, sought: TextClause, link: NotificationLink, purpose: str) -> Row[Any]:
    """Raises DeadLink where it was revoked, or what it names is gone."""
    row = connection.execute(
        sought, {"key": link.key, "scheduled_at": link.scheduled_at, "issued_at": link.issued_at}
    ).one_or_none()
    if row is None or not row.link_is_good:
        raise DeadLink(purpose)
    return row
