"""The vendors that the settings name, each with its secret: made by the functions that send or ask, and by no other."""

from collections.abc import Callable, Mapping
from typing import Any

from nolapse.delivery.outlets import Outlet, Outlets
from nolapse.runtime.settings import Settings

# https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits
MAILBOX_PER_MINUTE = 30

Secret = Callable[[str], Mapping[str, Any]]


def make_outlets(settings: Settings, secret: Secret) -> Outlets:
    makers = {"graph": _graph, "sendgrid": _sendgrid, "mailgun": _mailgun}
    by_channel = {"EMAIL": [makers[name](settings, secret) for name in settings.email_order]}
    if settings.twilio_secret_id:
        by_channel["SMS"] = [_twilio(settings, secret)]
    return Outlets(by_channel, {"EMAIL": settings.email_per_minute, "SMS": settings.sms_per_minute})


def _graph(settings: Settings, secret: Secret) -> Outlet:
    from nolapse.providers.graph import Graph, GraphApplication  # noqa: PLC0415  msal, where it is used

    held = secret(settings.graph_secret_id)
    application = GraphApplication(
        held["authority"], held["client_id"], held["secret"], _base(settings.graph_url)
    )
    return Outlet(
        Graph(application, settings.provider_timeout_seconds), held["mailboxes"], MAILBOX_PER_MINUTE
    )


def _sendgrid(settings: Settings, secret: Secret) -> Outlet:
    from nolapse.providers.sendgrid import SendGrid  # noqa: PLC0415  its SDK, where it is used

    api_key = secret(settings.sendgrid_secret_id)["api_key"]
    provider = SendGrid(api_key, _base(settings.sendgrid_url), settings.provider_timeout_seconds)
    return Outlet(provider, [settings.sender_email], settings.email_per_minute)


def _mailgun(settings: Settings, secret: Secret) -> Outlet:
    from nolapse.providers.mailgun import Mailgun  # noqa: PLC0415  as the others

    held = secret(settings.mailgun_secret_id)
    provider = Mailgun(
        held["api_key"], held["domain"], _base(settings.mailgun_url), settings.provider_timeout_seconds
    )
    return Outlet(provider, [settings.sender_email], settings.email_per_minute)


def _twilio(settings: Settings, secret: Secret) -> Outlet:
    from nolapse.providers.twilio_messages import TwilioAccount, TwilioSms  # noqa: PLC0415  its SDK, where it is used

    held = secret(settings.twilio_secret_id)
    account = TwilioAccount(
        held["account_sid"],
        held["auth_token"],
        _base(settings.twilio_url),
        settings.provider_timeout_seconds,
        status_callback=f"{_base(settings.public_url)}/webhooks/twilio",
    )
    return Outlet(TwilioSms(account), held["senders"], settings.sms_per_minute)


def _base(url: object) -> str:
    return str(url).rstrip("/")
