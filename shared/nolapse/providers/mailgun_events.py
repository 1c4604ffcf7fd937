"""What Mailgun says later: its webhooks, one event each.

Mailgun signs a timestamp and a token, and not the event beside them: that is as trustworthy as the connection it
came over. Who could read one there might put another event beside its signature, for as long as the window lasts.
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
"""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from nolapse.domain.errors import InvalidSignature, MalformedReceipt
from nolapse.domain.receipts import Receipt, ReceiptKind, our_text
from nolapse.providers.replay import REPLAY_WINDOW, refuse_replay

# Of one length: the signed text has no seam, and what moves from one part to the other must not pass.
_EPOCH = re.compile(r"\d{10}", re.ASCII)
_ODD_SHAPES = (ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError)

_KINDS = {
    ("delivered", None): ReceiptKind.DELIVERED,
    ("failed", "permanent"): ReceiptKind.BOUNCED,
    ("failed", "temporary"): ReceiptKind.DEFERRED,
    ("rejected", None): ReceiptKind.BOUNCED,
    ("complained", None): ReceiptKind.COMPLAINED,
    ("unsubscribed", None): ReceiptKind.UNSUBSCRIBED,
}
# SMTP's replies, and Mailgun's own from 600 on: 605 is an address that it will not try again.
_STATUSES = range(200, 1000)


def receipts(
    headers: Mapping[str, str],  # noqa: ARG001  the signature is in the body
    raw_body: bytes,
    signing_key: str,
    now: datetime,
    window: timedelta = REPLAY_WINDOW,
) -> Sequence[Receipt]:
    """Of one event. Raises InvalidSignature, OutsideReplayWindow or MalformedReceipt."""
    try:
        document = json.loads(raw_body)
        signature = document["signature"]
        timestamp, token, signed = (signature[name] for name in ("timestamp", "token", "signature"))
        expected = hmac.digest(signing_key.strip().encode(), f"{timestamp}{token}".encode(), "sha256").hex()
        genuine = _EPOCH.fullmatch(timestamp) and hmac.compare_digest(expected.encode(), signed.encode())
    except _ODD_SHAPES as error:
        raise InvalidSignature("mailgun") from error
    if not genuine:
        raise InvalidSignature("mailgun")
    refuse_replay("mailgun", datetime.fromtimestamp(int(timestamp), UTC), now, window)
    try:
        return (_receipt(document["event-data"]),)
    except _ODD_SHAPES as error:
        raise MalformedReceipt("mailgun") from error


def _receipt(event: Mapping[str, Any]) -> Receipt:
    at = datetime.fromtimestamp(event["timestamp"], UTC)
    ours = event.get("user-variables") or {}
    severity = event.get("severity") if event["event"] == "failed" else None
    return Receipt(
        provider="mailgun",
        # An id is unique within a day.
        event_id=f"{at:%Y-%m-%d}:{event['id']}",
        provider_message_id=event["message"]["headers"]["message-id"].strip("<>"),
        attempt_id=our_text(ours.get("attempt_id")),
        key=our_text(ours.get("key")),
        kind=_KINDS.get((event["event"], severity), ReceiptKind.OTHER),
        code=_code(event, severity),
        at=at,
    )


def _code(event: Mapping[str, Any], severity: str | None) -> str | None:
    if event["event"] == "rejected":
        return "mailgun:rejected"
    if severity not in {"permanent", "temporary"}:
        return None
    status = (event.get("delivery-status") or {}).get("code")
    return f"mailgun:{severity}:{status}" if status in _STATUSES else f"mailgun:{severity}"
