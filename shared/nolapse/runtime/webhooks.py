"""Who may tell us what became of messages: vendors that sign it, each with a key of its own.

The raw body is verified before anything in it is read. What is answered follows each vendor's own rules:
https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event (2xx, else again for 24 hours)
https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks (200, or 406: not again)
https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides (once)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from nolapse.domain.errors import InvalidSignature, MalformedReceipt, OutsideReplayWindow
from nolapse.domain.receipts import Receipt
from nolapse.providers import mailgun_events, sendgrid_events, twilio_events

VENDORS = {"sendgrid", "mailgun", "twilio"}
REFUSALS = (InvalidSignature, OutsideReplayWindow, MalformedReceipt)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One call, as it came: `query` without its question mark, header names in any case."""

    vendor: str
    query: str
    headers: Mapping[str, str]
    raw_body: bytes


class Webhooks:
    """`keys` by vendor: SendGrid's public key, Mailgun's signing key, Twilio's auth token. A vendor without one is not
    served. Raises ValueError for what would let forgeries pass, or nobody. `newer` finds those of now, for a signature
    by a key that is not one of these: it may have been changed meanwhile.
    """

    def __init__(
        self, keys: Mapping[str, str], public_url: str, newer: "Callable[[], Webhooks] | None" = None
    ) -> None:
        if unknown := keys.keys() - VENDORS:
            raise ValueError(f"webhook keys of vendors that send none: {', '.join(sorted(unknown))}")
        # Whoever knows that a key is empty can sign with it.
        if empty := [vendor for vendor, key in keys.items() if not key.strip()]:
            raise ValueError(f"webhook keys that are empty: {', '.join(empty)}; leave out the vendor instead")
        if "sendgrid" in keys:
            sendgrid_events.verification_key(keys["sendgrid"])
        self._keys = keys
        self._public_url = public_url
        self._newer = newer

    def receipts(self, call: Webhook, now: datetime) -> Sequence[Receipt]:
        """Raises one of REFUSALS."""
        try:
            return self._verified(call, now)
        except InvalidSignature:
            newer = self._newer() if self._newer else self
            if newer is self:
                raise
            return newer._verified(call, now)  # noqa: SLF001  of its own class

    def _verified(self, call: Webhook, now: datetime) -> Sequence[Receipt]:
        key = self._keys.get(call.vendor)
        if key is None:
            raise InvalidSignature(call.vendor)
        match call.vendor:
            case "sendgrid":
                return sendgrid_events.receipts(call.headers, call.raw_body, key, now)
            case "mailgun":
                return mailgun_events.receipts(call.headers, call.raw_body, key, now)
            case _:
                url = f"{self._public_url}/webhooks/twilio"
                signed = f"{url}?{call.query}" if call.query else url
                return twilio_events.receipts(signed, call.headers, call.raw_body, key, now)


def refusal(call: Webhook, error: Exception) -> HTTPStatus:
    if call.vendor == "mailgun":
        # Anything else than 200 and 406 is told again for hours.
        return HTTPStatus.NOT_ACCEPTABLE
    return HTTPStatus.BAD_REQUEST if isinstance(error, MalformedReceipt) else HTTPStatus.UNAUTHORIZED
