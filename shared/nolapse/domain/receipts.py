"""What a vendor says later about a message that it took."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ReceiptKind(StrEnum):
    DELIVERED = "DELIVERED"
    BOUNCED = "BOUNCED"
    """Refused for good."""
    DEFERRED = "DEFERRED"
    """Put off: the vendor goes on trying."""
    COMPLAINED = "COMPLAINED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One event of one message. Vendors repeat them and let them overtake each other.

    `event_id` is the same in every repetition and names one event of this provider: the key to dedupe by.
    `provider_message_id` is as Accepted named it. `code` is a class or a reason's code, without free text or
    an address. `at` is when it happened, by the vendor's clock, in UTC. `address` is whom to send nothing more
    (or, told START, to send to again), where the vendor names a person and no message of ours: for suppression
    alone, never for a log.
    """

    provider: str
    event_id: str
    provider_message_id: str
    attempt_id: str | None
    key: str | None
    kind: ReceiptKind
    code: str | None
    at: datetime
    address: str | None = field(default=None, repr=False)
