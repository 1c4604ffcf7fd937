"""Links in messages: what each one says, sealed for one purpose, and until when.

A link names rows, never a person: who holds the message may act on that one notification, or on that one channel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from nolapse.domain.errors import NolapseError
from nolapse.domain.seals import KeyRing

ACKNOWLEDGE = "acknowledge"
CALENDAR = "calendar"
UNSUBSCRIBE = "unsubscribe"


class DeadLink(NolapseError):
    """It was good once: its time is over, or it was revoked."""

    def __init__(self, purpose: str) -> None:
        super().__init__(f"a link to {purpose} that is no longer good")
        self.purpose = purpose


@dataclass(frozen=True, slots=True)
class NotificationLink:
    """Names one row of notification_schedule."""

    tenant_id: UUID
    key: bytes
    scheduled_at: datetime
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class ChannelLink:
    """Names one channel of one person."""

    tenant_id: UUID
    clinician_id: UUID
    channel: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Links:
    """`base`: where the API answers. `keys` is asked for when a link is made or opened, and not before."""

    base: str
    keys: Callable[[], KeyRing]
    lasting: timedelta

    def acknowledge(self, link: NotificationLink) -> str:
        return f"{self.base}/r/{self.seal(ACKNOWLEDGE, link)}"

    def unsubscribe(self, link: ChannelLink) -> str:
        claims = {"person": link.clinician_id.hex, "channel": link.channel}
        sealed = self._seal(UNSUBSCRIBE, link.tenant_id, link.issued_at, claims)
        return f"{self.base}/u/{sealed}"

    def seal(self, purpose: str, link: NotificationLink) -> str:
        claims = {"key": link.key.hex(), "at": int(link.scheduled_at.timestamp())}
        return self._seal(purpose, link.tenant_id, link.issued_at, claims)

    def open_notification(self, purpose: str, sealed: str, now: datetime) -> NotificationLink:
        """Raises BrokenSeal."""
        claims = self.keys().open(purpose, sealed, now=now)
        return NotificationLink(
            UUID(claims["tenant"]),
            bytes.fromhex(claims["key"]),
            _instant(claims["at"]),
            _instant(claims["issued"]),
        )

    def open_channel(self, sealed: str, now: datetime) -> ChannelLink:
        """Raises BrokenSeal."""
        claims = self.keys().open(UNSUBSCRIBE, sealed, now=now)
        return ChannelLink(
            UUID(claims["tenant"]), UUID(claims["person"]), claims["channel"], _instant(claims["issued"])
        )

    def _seal(self, purpose: str, tenant_id: UUID, issued_at: datetime, claims: dict[str, Any]) -> str:
        stated = claims | {"tenant": tenant_id.hex, "issued": int(issued_at.timestamp())}
        return self.keys().seal(purpose, stated, expires_at=issued_at + self.lasting)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
