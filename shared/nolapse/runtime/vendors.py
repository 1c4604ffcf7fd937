"""The vendors that the settings name, each with its secret: made by the functions that send or ask, and by no other."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from nolapse.delivery.outlets import Outlet, Outlets
from nolapse.domain.feasibility import MAILBOX_PER_MINUTE
from nolapse.runtime.secret_models import (
    GraphSecret,
    MailgunSecret,
    OpsSecret,
    SendGridSecret,
    TenantSecret,
    TwilioSecret,
    read_as,
)
from nolapse.runtime.secrets import NoSecret, Secret
from nolapse.runtime.settings import Settings

if TYPE_CHECKING:
    from nolapse.delivery.whatsapp import WhatsApp
    from nolapse.domain.messages import Notice
    from nolapse.providers.protocol import Provider
    from nolapse.providers.twilio_messages import TwilioAccount

Make = Callable[[], Outlet]


def make_outlets(settings: Settings, secret: Secret, clock: Callable[[], datetime]) -> Outlets:
    """Every secret is read at once: that a reserve is not configured must not show on the day that it is needed.

    Raises NoSecret and BadSecret.
    """
    makers = {"graph": _graph, "sendgrid": _sendgrid, "mailgun": _mailgun}
    by_channel = {
        "EMAIL": {name: makers[name](settings, secret) for name in settings.email_order},
        "WEBHOOK": {"tenant-webhook": _webhook(settings, secret, clock)},
    }
    if settings.twilio_secret_id:
        by_channel["SMS"] = {"twilio-sms": _sms(settings, secret)}
    whatsapp = read_whatsapp(settings, secret)
    if whatsapp:
        by_channel["WHATSAPP"] = {"twilio-whatsapp": _whatsapp(settings, secret, whatsapp)}
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

    if not settings.ops_secret_id:
        return []
    said = read_as(OpsSecret, secret(settings.ops_secret_id), settings.ops_secret_id)
    channels: Sequence[tuple[Callable[[str, float], Provider[Notice]], str | None]] = (
        (Slack, said.slack),
        (Teams, said.teams),
    )
    return [make(url, settings.provider_timeout_seconds) for make, url in channels if url]


def read_whatsapp(settings: Settings, secret: Secret) -> "WhatsApp | None":
    """What Twilio's secret says of WhatsApp, if anything. Raises BadSecret."""
    held = _read_twilio(settings, secret).whatsapp if settings.twilio_secret_id else None
    if not held:
        return None
    from nolapse.delivery.whatsapp import WhatsApp  # noqa: PLC0415  where it is used

    return read_as(WhatsApp, held, settings.twilio_secret_id, "whatsapp")


def _graph(settings: Settings, secret: Secret) -> Make:
    said = read_as(GraphSecret, secret(settings.graph_secret_id), settings.graph_secret_id)

    @cache
    def make() -> Outlet:
        from nolapse.providers.graph import Graph, GraphApplication  # noqa: PLC0415  msal, where it is used

        application = GraphApplication(said.authority, said.client_id, said.secret, _base(settings.graph_url))
        provider = Graph(application, settings.provider_timeout_seconds)
        return Outlet(provider, said.mailboxes, MAILBOX_PER_MINUTE)

    return make


def _sendgrid(settings: Settings, secret: Secret) -> Make:
    said = read_as(SendGridSecret, secret(settings.sendgrid_secret_id), settings.sendgrid_secret_id)

    @cache
    def make() -> Outlet:
        from nolapse.providers.sendgrid import SendGrid  # noqa: PLC0415  its SDK, where it is used

        provider = SendGrid(said.api_key, _base(settings.sendgrid_url), settings.provider_timeout_seconds)
        return Outlet(provider, [settings.sender_email], settings.email_per_minute)

    return make


def _mailgun(settings: Settings, secret: Secret) -> Make:
    said = read_as(MailgunSecret, secret(settings.mailgun_secret_id), settings.mailgun_secret_id)

    @cache
    def make() -> Outlet:
        from nolapse.providers.mailgun import Mailgun  # noqa: PLC0415  as the others

        provider = Mailgun(
            said.api_key, said.domain, _base(settings.mailgun_url), settings.provider_timeout_seconds
        )
        return Outlet(provider, [settings.sender_email], settings.email_per_minute)

    return make


def _sms(settings: Settings, secret: Secret) -> Make:
    account, senders = _twilio(settings, secret), _read_twilio(settings, secret).senders

    @cache
    def make() -> Outlet:
        from nolapse.providers.twilio_messages import TwilioSms  # noqa: PLC0415  its SDK, where it is used

        return Outlet(TwilioSms(account()), senders, settings.sms_per_minute)

    return make


def _whatsapp(settings: Settings, secret: Secret, whatsapp: "WhatsApp") -> Make:
    account = _twilio(settings, secret)

    @cache
    def make() -> Outlet:
        from nolapse.providers.twilio_messages import TwilioWhatsApp  # noqa: PLC0415  as the others

        return Outlet(TwilioWhatsApp(account()), whatsapp.senders, settings.whatsapp_per_minute)

    return make


def _twilio(settings: Settings, secret: Secret) -> "Callable[[], TwilioAccount]":
    said = _read_twilio(settings, secret)

    def make() -> "TwilioAccount":
        from nolapse.providers.twilio_messages import TwilioAccount  # noqa: PLC0415  as the others

        return TwilioAccount(
            said.account_sid,
            said.auth_token,
            _base(settings.twilio_url),
            settings.provider_timeout_seconds,
            status_callback=f"{_base(settings.public_url)}/webhooks/twilio",
        )

    return make


def _read_twilio(settings: Settings, secret: Secret) -> TwilioSecret:
    return read_as(TwilioSecret, secret(settings.twilio_secret_id), settings.twilio_secret_id)


def _webhook(settings: Settings, secret: Secret, clock: Callable[[], datetime]) -> Make:
    def secrets(tenant: str) -> Sequence[str]:
        name = settings.webhook_secrets_prefix + tenant
        try:
            said = secret(name)
        except NoSecret:
            return ()
        return read_as(TenantSecret, said, name).keys

    @cache
    def make() -> Outlet:
        from nolapse.providers.tenant_webhook import TenantWebhook  # noqa: PLC0415  as the others

        provider = TenantWebhook(
            secrets,
            settings.provider_timeout_seconds,
            clock,
            only_public=settings.webhook_targets == "public",
        )
        return Outlet(provider, [settings.sender_name], settings.webhook_per_minute)

    return make


def _base(url: object) -> str:
    return str(url).rstrip("/")
