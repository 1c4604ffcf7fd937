"""What vendors' webhooks call later, signed as each of them signs.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-payloads
https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twilio.request_validator import RequestValidator

from local.doubles.received import ReceivedEmail, ReceivedText

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Call:
    """`path` with its query, as the vendor calls it."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class SendGridWebhook:
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def public_key(self) -> str:
        """As the webhook's settings show it."""
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b64encode(spki).decode()

    def event(self, email: ReceivedEmail, event: str, at: datetime, **more: str) -> dict[str, Any]:
        """The id is the same in every repetition."""
        event_id = b64encode(sha256(f"{email.message_id}:{event}".encode()).digest()[:16]).decode()
        return {
            "email": email.to,
            "timestamp": int(at.timestamp()),
            "event": event,
            "sg_event_id": event_id,
            "sg_message_id": f"{email.message_id}.recvd-double-1-0-0.0",
            "key": email.key,
            "attempt_id": email.attempt_id,
            **more,
        }

    def call(self, events: Sequence[Mapping[str, Any]], at: datetime) -> Call:
        body = json.dumps(events).encode()
        timestamp = str(int(at.timestamp()))
        signature = self.key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return Call(
            "/webhooks/sendgrid",
            {
                "content-type": "application/json",
                "x-twilio-email-event-webhook-timestamp": timestamp,
                "x-twilio-email-event-webhook-signature": b64encode(signature).decode(),
            },
            body,
        )


@dataclass(frozen=True, slots=True)
class MailgunWebhook:
    signing_key: str

    def call(self, email: ReceivedEmail, event: str, at: datetime, **more: Any) -> Call:
        timestamp, token = (
            str(int(at.timestamp())),
            sha256(f"{email.message_id}:{event}".encode()).hexdigest(),
        )
        signature = hmac.digest(self.signing_key.encode(), f"{timestamp}{token}".encode(), "sha256").hex()
        document = {
            "signature": {"timestamp": timestamp, "token": token, "signature": signature},
            "event-data": {
                "id": token[:22],
                "event": event,
                "timestamp": at.timestamp(),
                "recipient": email.to,
                "message": {"headers": {"message-id": email.message_id}},
                "user-variables": {"key": email.key, "attempt_id": email.attempt_id},
                **more,
            },
        }
        return Call("/webhooks/mailgun", {"content-type": "application/json"}, json.dumps(document).encode())


@dataclass(frozen=True, slots=True)
class TwilioWebhook:
    """`base`: the public URL, as part of what is signed."""

    auth_token: str
    base: str

    def status(self, text: ReceivedText, status: str, error: int | None = None) -> Call:
        """To the address that the message asked for."""
        fields = {
            "MessageSid": text.message_id,
            "MessageStatus": status,
            "To": text.request["To"],
            **({"ErrorCode": str(error)} if error else {}),
        }
        return self._call(text.request["StatusCallback"], fields)

    def answer(self, number: str, body: str, sid: str) -> Call:
        """What a person wrote back; `sid` is that of their message."""
        fields = {"MessageSid": sid, "From": number, "Body": body}
        return self._call(f"{self.base}/webhooks/twilio", fields)

    def _call(self, url: str, fields: Mapping[str, str]) -> Call:
        signature = RequestValidator(self.auth_token).compute_signature(url, fields)
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        return Call(path, {"content-type": FORM, "x-twilio-signature": signature}, urlencode(fields).encode())
