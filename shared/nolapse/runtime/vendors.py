"""The vendors that the settings name, each with its secret: made by the functions that send or ask, and by no other."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from nolapse.delivery.outlets import Outlet, Outlets
from nolapse.domain.feasibility import MAILBOX_PER_MINUTE
from nolapse.runtime.settings import Settings

if TYPE_CHECKING:
    from nolapse.delivery.whatsapp import WhatsApp
    from nolapse.domain.messages import Notice
    from nolapse.providers.protocol import Provider
    from nolapse.providers.twilio_messages import TwilioAccount

Secret = Callable[[str], Mapping[str, Any]]


def make_outlets(settings: Settings, secret: Secret, clock: Callable[[], datetime]) -> Outlets:
    makers = {"graph": _graph, "sendgrid": _sendgrid, "mailgun": _mailgun}
    by_channel = {
        "EMAIL": [makers[name](settings, secret) for name in settings.email_order],
        "WEBHOOK": [_webhook(settings, secret, clock)],
    }
    if settings.twilio_secret_id:
        by_channel["SMS"] = [_sms(settings, secret)]
    whatsapp = read_whatsapp(settings, secret)
    if whatsapp:
        by_channel["WHATSAPP"] = [_whatsapp(settings, secret, whatsapp)]
    return Outlets(
        by_channel,
        {
            "EMAIL": settings.email_per_minute,
            "SMS": settings.sms_per_minute,
            "WHATSAPP": settings.whatsapp_per_minute,
            "WEBHOOK": settings.webhook_per_minute,
        },
    )


def make_ops(settings: Settings, secret: Secret) -> "Sequence[Provider[Notice]]":
    """Operators' channels, as many as there are."""
    from nolapse.providers.slack import Slack  # noqa: PLC0415  where it is used
    from nolapse.providers.teams import Teams  # noqa: PLC0415  the same

    urls = secret(settings.ops_secret_id) if settings.ops_secret_id else {}
    makers: Mapping[str, Callable[[str, float], Provider[Notice]]] = {"slack": Slack, "teams": Teams}
    return [
        make(urls[name], settings.provider_timeout_seconds) for name, make in makers.items() if urls.get(name)
    ]


def read_whatsapp(settings: Settings, secret: Secret) -> "WhatsApp | None":
    """What Twilio's secret says of WhatsApp, if anything. Raises pydantic's ValidationError."""
    held = secret(settings.twilio_secret_id).get("whatsapp") if settings.twilio_secret_id else None
    if not held:
        return None
    from nolapse.delivery.whatsapp import WhatsApp  # noqa: PLC0415  where it is used

    return WhatsApp.model_validate(held)


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


def _sms(settings: Settings, secret: Secret) -> Outlet:
    from nolapse.providers.twilio_messages import TwilioSms  # noqa: PLC0415  its SDK, where it is used

    senders = secret(settings.twilio_secret_id)["senders"]
    return Outlet(TwilioSms(_twilio(settings, secret)), senders, settings.sms_per_minute)


def _whatsapp(settings: Settings, secret: Secret, whatsapp: "WhatsApp") -> Outlet:
    from nolapse.providers.twilio_messages import TwilioWhatsApp  # noqa: PLC0415  as the others

    provider = TwilioWhatsApp(_twilio(settings, secret))
    return Outlet(provider, whatsapp.senders, settings.whatsapp_per_minute)


def _twilio(settings: Settings, secret: Secret) -> "TwilioAccount":
    from nolapse.providers.twilio_messages import TwilioAccount  # noqa: PLC0415  as the others

    held = secret(settings.twilio_secret_id)
    return TwilioAccount(
        held["account_sid"],
        held["auth_token"],
        _base(settings.twilio_url),
        settings.provider_timeout_seconds,
        status_callback=f"{_base(settings.public_url)}/webhooks/twilio",
    )


def _webhook(settings: Settings, secret: Secret, clock: Callable[[], datetime]) -> Outlet:
    from nolapse.providers.tenant_webhook import TenantWebhook  # noqa: PLC0415  as the others

    def secrets(tenant: str) -> Sequence[str]:
        try:
            keys: Sequence[str] = secret(settings.webhook_secrets_prefix + tenant)["keys"]
        except (GetParameterError, KeyError):
            return ()
        return keys

    provider = TenantWebhook(
        secrets,
        settings.provider_timeout_seconds,
        clock,
        only_public=settings.webhook_targets == "public",
    )
    return Outlet(provider, [settings.sender_name], settings.webhook_per_minute)


def _base(url: object) -> str:
    return str(url).rstrip("/")
