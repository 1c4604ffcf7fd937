"""What Twilio says later: the status of a message, and what people answer to stop or start being told.

https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
https://www.twilio.com/docs/messaging/guides/webhook-request
https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import (
    HMAC_SHA1,
    HMAC_SHA256,
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)

from nolapse.domain.errors import InvalidSignature
from nolapse.domain.receipts import Receipt, ReceiptKind

_MESSAGE = re.compile(r"[SM]M[0-9a-f]{32}")
_ERROR = re.compile(r"[1-9][0-9]{4}")

# Of a status that Twilio adds one day nothing follows.
_KINDS = {
    "delivered": ReceiptKind.DELIVERED,
    "read": ReceiptKind.DELIVERED,
    "undelivered": ReceiptKind.BOUNCED,
    "failed": ReceiptKind.BOUNCED,
}

# Twilio's defaults, for accounts without Advanced Opt-Out, which names the type itself.
# https://help.twilio.com/articles/223134027
_STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"}
_START = {"START", "YES", "UNSTOP"}
_AROUND_A_WORD = " \t\r\n.!\"'"


def receipts(
    url: str, headers: Mapping[str, str], raw_body: bytes, secret: str, now: datetime
) -> Sequence[Receipt]:
    """Of one callback: at most one receipt. Raises InvalidSignature.

    `url` is the public one, whole, as Twilio called it. `secret` is the account's auth token, or the shared key of
    the account's webhook rule, by which Twilio signs with SHA-256 and says so in a header of its own.
    `now` stands in for the time that Twilio does not tell.
    """
    fields = dict(parse_qsl(raw_body.decode(errors="replace"), keep_blank_values=True))
    _verify(url, headers, fields, secret)
    sid = fields.get("MessageSid", "")
    if not _MESSAGE.fullmatch(sid):
        return ()
    receipt = _of_status(sid, fields, url, now) if "MessageStatus" in fields else _of_answer(sid, fields, now)
    return (receipt,) if receipt else ()


def _verify(url: str, headers: Mapping[str, str], fields: Mapping[str, str], secret: str) -> None:
    named = {name.lower(): value for name, value in headers.items()}
    signature = named.get(SIGNATURE_HEADER.lower(), "")
    algorithm = get_signature_algorithm(named.get(SIGNATURE_SETTINGS_HEADER.lower()))
    # Of another algorithm the SDK would log the name, whatever whoever called has put there.
    known = algorithm in {HMAC_SHA1, HMAC_SHA256}
    if not known or not RequestValidator(secret.strip()).validate(url, fields, signature, algorithm):
        raise InvalidSignature("twilio")


def _of_status(sid: str, fields: Mapping[str, str], url: str, at: datetime) -> Receipt:
    ours = dict(parse_qsl(urlsplit(url).query))
    status, error = fields["MessageStatus"], fields.get("ErrorCode", "")
    provider = _provider(fields.get("To", ""))
    return Receipt(
        provider=provider,
        event_id=f"{sid}:{status}",
        provider_message_id=sid,
        attempt_id=ours.get("attempt"),
        key=ours.get("key"),
        kind=_KINDS.get(status, ReceiptKind.OTHER),
        code=f"{provider}:{error}" if _ERROR.fullmatch(error) else None,
        at=at,
    )


def _of_answer(sid: str, fields: Mapping[str, str], at: datetime) -> Receipt | None:
    sender = fields.get("From", "")
    wish = fields.get("OptOutType") or _wish(fields.get("Body", ""))
    if wish not in {"STOP", "START"}:
        return None
    provider = _provider(sender)
    return Receipt(
        provider=provider,
        event_id=f"{sid}:received",
        provider_message_id=sid,
        attempt_id=None,
        key=None,
        kind=ReceiptKind.UNSUBSCRIBED if wish == "STOP" else ReceiptKind.RESUBSCRIBED,
        code=f"{provider}:{wish}",
        at=at,
        address=sender.removeprefix("whatsapp:"),
    )


def _wish(body: str) -> str | None:
    """Of a message that is nothing but the word."""
    word = body.strip(_AROUND_A_WORD).upper()
    return "STOP" if word in _STOP else "START" if word in _START else None


def _provider(address: str) -> str:
    return "twilio-whatsapp" if address.startswith("whatsapp:") else "twilio-sms"
