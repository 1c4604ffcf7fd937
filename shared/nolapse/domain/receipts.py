"""What a vendor says later about a message that it took, and what follows for the address."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class ReceiptKind(StrEnum):
    DELIVERED = "DELIVERED"
    BOUNCED = "BOUNCED"
    """Refused for good."""
    DEFERRED = "DEFERRED"
    """Put off: the vendor goes on trying."""
    COMPLAINED = "COMPLAINED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    RESUBSCRIBED = "RESUBSCRIBED"
    OTHER = "OTHER"


class Suppression(StrEnum):
    """Why nothing more is sent to an address on a channel."""

    HARD_BOUNCE = "HARD_BOUNCE"
    COMPLAINT = "COMPLAINT"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    STOP = "STOP"
    """Said to a number: only START lifts it."""


def our_text(said: Any) -> str | None:
    """What we put beside a message is text; other mail of the same account may carry anything under the same name."""
    return said if isinstance(said, str) else None


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

    @property
    def suppresses(self) -> Suppression | None:
        match self.kind:
            case ReceiptKind.COMPLAINED:
                return Suppression.COMPLAINT
            case ReceiptKind.UNSUBSCRIBED:
                return Suppression.STOP if self.address else Suppression.UNSUBSCRIBED
            case ReceiptKind.BOUNCED:
                return _of_a_bounce(self.code or "")
        return None


# Bounces that say something of the address, and not of this message or of us. SendGrid's "blocked" and its class of
# content, a full mailbox or a filter say nothing: the next message may get through.
# https://www.twilio.com/docs/sendgrid/ui/sending-email/bounces
# https://documentation.mailgun.com/docs/mailgun/user-manual/tracking-messages/tracking-failures
# https://www.twilio.com/docs/api/errors
_BY_CODE = {
    "sendgrid:dropped:bounced-address": Suppression.HARD_BOUNCE,
    "sendgrid:dropped:invalid": Suppression.HARD_BOUNCE,
    "sendgrid:dropped:spam-reporting-address": Suppression.COMPLAINT,
    "sendgrid:dropped:unsubscribed-address": Suppression.UNSUBSCRIBED,
    "mailgun:permanent:550": Suppression.HARD_BOUNCE,
    "mailgun:permanent:551": Suppression.HARD_BOUNCE,
    "mailgun:permanent:553": Suppression.HARD_BOUNCE,
    "mailgun:permanent:605": Suppression.HARD_BOUNCE,
    "twilio-sms:21610": Suppression.STOP,
    "twilio-sms:21614": Suppression.HARD_BOUNCE,
    "twilio-sms:30005": Suppression.HARD_BOUNCE,
    "twilio-sms:30006": Suppression.HARD_BOUNCE,
    "twilio-whatsapp:21610": Suppression.STOP,
}


def _of_a_bounce(code: str) -> Suppression | None:
    if code == "sendgrid:bounce" or code.startswith("sendgrid:bounce:"):
        return Suppression.HARD_BOUNCE
    return _BY_CODE.get(code)
