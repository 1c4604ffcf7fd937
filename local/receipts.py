"""The vendors' part that comes later: what their doubles took has arrived, and they say so to the stack's webhooks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from local.doubles.graph import GraphDouble
from local.doubles.mailgun import MailgunDouble
from local.doubles.sendgrid import SendGridDouble
from local.doubles.twilio import TwilioDouble
from local.doubles.webhooks import Call, MailgunWebhook, SendGridWebhook, TwilioWebhook
from local.http import Api, Request

VendorDouble = SendGridDouble | GraphDouble | MailgunDouble | TwilioDouble


class UntakenError(Exception):
    def __init__(self, vendor: str, status: int) -> None:
        super().__init__(f"the webhook of {vendor} answered {status}")


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Each vendor's, with the key that it signs with."""

    sendgrid: SendGridWebhook
    mailgun: MailgunWebhook
    twilio: TwilioWebhook

    @property
    def keys(self) -> Mapping[str, str]:
        """What the stack tells them from forgeries by."""
        return {
            "sendgrid": self.sendgrid.public_key,
            "mailgun": self.mailgun.signing_key,
            "twilio": self.twilio.auth_token,
        }


@dataclass(slots=True)
class Receipts:
    """Graph has none: it tells nobody what became of a message."""

    webhooks: Webhooks
    api: Api
    clock: Callable[[], datetime]
    sendgrid: SendGridDouble
    others: Mapping[str, VendorDouble]
    _told: dict[str, int] = field(default_factory=dict)

    def tell(self, call: Call) -> int:
        """Returns the status that the vendor gets."""
        request = Request("POST", call.path, list(call.headers.items()), call.body, "127.0.0.1")
        return self.api.answer(request).status

    def deliver(self) -> None:
        """Everything that was taken since has arrived. A run that begins anew tells all of it again, and so does one
        whose word was not taken: raises UntakenError.
        """
        for vendor, double in {"sendgrid": self.sendgrid, **self.others}.items():
            taken = double.taken()
            for call in self._arrived(double, self._told.get(vendor, 0)):
                status = self.tell(call)
                if status != HTTPStatus.OK:
                    raise UntakenError(vendor, status)
            self._told[vendor] = taken

    def _arrived(self, double: VendorDouble, after: int) -> Sequence[Call]:
        now, webhooks = self.clock(), self.webhooks
        match double:
            case SendGridDouble():
                events = [
                    webhooks.sendgrid.event(email, "delivered", now) for email in double.messages(after)
                ]
                return [webhooks.sendgrid.call(events, now)] if events else []
            case MailgunDouble():
                return [webhooks.mailgun.call(email, "delivered", now) for email in double.messages(after)]
            case TwilioDouble():
                return [webhooks.twilio.status(text, "delivered") for text in double.messages(after)]
        return []
