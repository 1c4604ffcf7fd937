"""Links in messages: what each one says, sealed for one purpose, and until when.

A link in a message names a notification, never a person: who holds it may act on that one. A calendar's names a person.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from nolapse.domain.errors import NolapseError
from nolapse.domain.seals import KeyRing

ACKNOWLEDGE = "acknowledge"
CALENDAR = "calendar"
FEED = "feed"
UNSUBSCRIBE = "unsubscribe"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


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
class PersonLink:
    """Names a person's dates: good until it is revoked."""

    tenant_id: UUID
    clinician_id: UUID
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Links:
    """`base`: where the API answers. `keys` is asked for when a link is made or opened, and not before."""

    base: str
    keys: Callable[[], KeyRing]
    lasting: timedelta

    def acknowledge(self, link: NotificationLink) -> str:
        return f"{self.base}/r/{self.seal(ACKNOWLEDGE, link)}"

    def unsubscribe(self, link: NotificationLink) -> str:
        return f"{self.base}/u/{self.seal(UNSUBSCRIBE, link)}"

    def feed(self, link: PersonLink) -> str:
        claims = {
            "person": link.clinician_id.hex,
            "tenant": link.tenant_id.hex,
            "issued": _microseconds(link.issued_at),
        }
        return (
            f"{self.base}/clinicians/{link.clinician_id}/calendar.ics?token={self.keys().seal(FEED, claims)}"
        )

    def open_person(self, purpose: str, sealed: str, now: datetime) -> PersonLink:
        """Raises BrokenSeal."""
        claims = self.keys().open(purpose, sealed, now=now)
        return PersonLink(
            UUID(claims["tenant"]), UUID(claims["person"]), _EPOCH + _MICROSECOND * claims["issued"]
        )

    def seal(self, purpose: str, link: NotificationLink) -> str:
        claims = {
            "key": link.key.hex(),
            "at": int(link.scheduled_at.timestamp()),
            "tenant": link.tenant_id.hex,
            "issued": _microseconds(link.issued_at),
        }
        return self.keys().seal(purpose, claims, expires_at=link.issued_at + self.lasting)

    def open_notification(self, purpose: str, sealed: str, now: datetime) -> NotificationLink:
        """Raises BrokenSeal."""
        claims = self.keys().open(purpose, sealed, now=now)
        return NotificationLink(
            UUID(claims["tenant"]),
            bytes.fromhex(claims["key"]),
            datetime.fromtimestamp(claims["at"], UTC),
            _EPOCH + _MICROSECOND * claims["issued"],
        )


def _microseconds(instant: datetime) -> int:
    """As exact as the base has it: what is revoked is what was issued before."""
    return (instant - _EPOCH) // _MICROSECOND
