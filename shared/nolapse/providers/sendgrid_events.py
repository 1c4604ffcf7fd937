"""What SendGrid says later: its Event Webhook, in batches of events, signed as a whole.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature as WrongSignature
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from nolapse.domain.errors import InvalidSignature, MalformedReceipt
from nolapse.domain.receipts import Receipt, ReceiptKind, our_text
from nolapse.providers.replay import REPLAY_WINDOW, refuse_replay

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_EPOCH = re.compile(r"\d{10}", re.ASCII)

# A drop is SendGrid's own refusal to try, a block the recipient's to take this one message: both end it.
_KINDS = {
    "delivered": ReceiptKind.DELIVERED,
    "bounce": ReceiptKind.BOUNCED,
    "dropped": ReceiptKind.BOUNCED,
    "deferred": ReceiptKind.DEFERRED,
    "spamreport": ReceiptKind.COMPLAINED,
    "unsubscribe": ReceiptKind.UNSUBSCRIBED,
    "group_unsubscribe": ReceiptKind.UNSUBSCRIBED,
}
# All that may go into a code of what is beside an event's name; the rest quotes servers and addresses.
_TYPES = {"bounce", "blocked"}
_CLASSES = {
    *("Invalid Address", "Technical", "Content", "Reputation", "Frequency or Volume Too High"),
    *("Mailbox Unavailable", "Unclassified"),
}
_DROPS = {
    *("Bounced Address", "Unsubscribed Address", "Spam Reporting Address", "Invalid"),
    *("Spam Content", "Recipient List over Package Quota", "Invalid SMTPAPI header"),
}


def receipts(
    headers: Mapping[str, str],
    raw_body: bytes,
    public_key: str,
    now: datetime,
    window: timedelta = REPLAY_WINDOW,
) -> Sequence[Receipt]:
    """Raises InvalidSignature, OutsideReplayWindow or MalformedReceipt.

    `public_key` is the verification key as the webhook's settings show it.
    """
    refuse_replay("sendgrid", _signed_at(headers, raw_body, public_key), now, window)
    try:
        # Events of the account itself have no message.
        return [_receipt(event) for event in _batch(raw_body) if "sg_message_id" in event]
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise MalformedReceipt("sendgrid") from error


def _signed_at(headers: Mapping[str, str], raw_body: bytes, public_key: str) -> datetime:
    named = {name.lower(): value for name, value in headers.items()}
    timestamp, signature = named.get(_TIMESTAMP, ""), named.get(_SIGNATURE, "")
    key = verification_key(public_key)
    try:
        signed = _exact(signature)
        key.verify(signed, timestamp.encode() + raw_body, ec.ECDSA(hashes.SHA256()))
    except (WrongSignature, ValueError) as error:
        raise InvalidSignature("sendgrid") from error
    if not _EPOCH.fullmatch(timestamp):
        raise MalformedReceipt("sendgrid")
    return datetime.fromtimestamp(int(timestamp), UTC)


def verification_key(public_key: str) -> ec.EllipticCurvePublicKey:
    """Raises ValueError for what is none."""
    try:
        key = load_der_public_key(b64decode(public_key))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("sendgrid's verification key is no public key of ECDSA in base64")  # noqa: TRY004  a setting, no programmer's error
    return key


def _batch(raw_body: bytes) -> list[Any]:
    events = json.loads(raw_body)
    if not isinstance(events, list):
        raise TypeError
    return events


def _exact(signature: str) -> bytes:
    """Of base64 in its one canonical spelling: the others would let altered signatures pass."""
    signed = b64decode(signature, validate=True)
    if b64encode(signed).decode() != signature:
        raise ValueError
    return signed


def _receipt(event: Mapping[str, Any]) -> Receipt:
    return Receipt(
        provider="sendgrid",
        # Documented samples of different events share one id.
        event_id=f"{event['sg_event_id']}:{event['event']}",
        provider_message_id=event["sg_message_id"].partition(".")[0],
        attempt_id=our_text(event.get("attempt_id")),
        key=our_text(event.get("key")),
        kind=_KINDS.get(event["event"], ReceiptKind.OTHER),
        code=_code(event),
        at=datetime.fromtimestamp(event["timestamp"], UTC),
    )


def _code(event: Mapping[str, Any]) -> str | None:
    match event["event"]:
        case "bounce":
            said = [_word(event.get("type"), _TYPES), _word(event.get("bounce_classification"), _CLASSES)]
            return ":".join(["sendgrid", said[0] or "bounce", *filter(None, said[1:])])
        case "dropped":
            return ":".join(["sendgrid", "dropped", *filter(None, [_word(event.get("reason"), _DROPS)])])
        case "deferred":
            return "sendgrid:deferred"
    return None


def _word(said: Any, known: set[str]) -> str | None:
    """As a code says it: Invalid Address is invalid-address."""
    return said.lower().replace(" ", "-") if isinstance(said, str) and said in known else None
