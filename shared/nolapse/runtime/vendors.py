"""The vendors that the settings name, each with its secret: made by the functions that send or ask, and by no other."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from nolapse.delivery.outlets import Outlet, Outlets
from nolapse.domain.feasibility import MAILBOX_PER_MINUTE
from nolapse.runtime.secrets import NoSecret, Secret
from nolapse.runtime.settings import Settings

if TYPE_CHECKING:
    from nolapse.delivery.whatsapp import WhatsApp
    from nolapse.domain.messages import Notice
    from nolapse.providers.protocol import Provider
    from nolapse.providers.twilio_messages import TwilioAccount

Make = Callable[[], Outlet]


def make_outlets(settings: Settings, secret: Secret, clock: Callable[[], datetime]) -> Outlets:
    """Every secret is read at once: that a reserve is not configured must not show on the day that it is needed."""
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


def _graph(settings: Settings, secret: Secret) -> Make:
    held = secret(settings.graph_secret_id)
    authority, client_id, client_secret = held["authority"], held["client_id"], held["secret"]
    mailboxes = held["mailboxes"]

    @cache
    def make() -> Outlet:
        from nolapse.providers.graph import Graph, GraphApplication  # noqa: PLC0415  msal, where it is used

        application = GraphApplication(authority, client_id, client_secret, _base(settings.graph_url))
        return Outlet(Graph(application, settings.provider_timeout_seconds), mailboxes, MAILBOX_PER_MINUTE)

    return make


def _sendgrid(settings: Settings, secret: Secret) -> Make:
    api_key = secret(settings.sendgrid_secret_id)["api_key"]

    @cache
    def make() -> Outlet:
        from nolapse.providers.sendgrid import SendGrid  # noqa: PLC0415  its SDK, where it is used

        provider = SendGrid(api_key, _base(settings.sendgrid_url), settings.provider_timeout_seconds)
        return Outlet(provider, [settings.sender_email], settings.email_per_minute)

    return make


def _mailgun(settings: Settings, secret: Secret) -> Make:
    held = secret(settings.mailgun_secret_id)
    api_key, domain = held["api_key"], held["domain"]

    @cache
    def make() -> Outlet:
        from nolapse.providers.mailgun import Mailgun  # noqa: PLC0415  as the others

        provider = Mailgun(api_key, domain, _base(settings.mailgun_url), settings.provider_timeout_seconds)
        return Outlet(provider, [settings.sender_email], settings.email_per_minute)

    return make


def _sms(settings: Settings, secret: Secret) -> Make:
    account, senders = _twilio(settings, secret), secret(settings.twilio_secret_id)["senders"]

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
    held = secret(settings.twilio_secret_id)
    account_sid, auth_token = held["account_sid"], held["auth_token"]

    def make() -> "TwilioAccount":
        from nolapse.providers.twilio_messages import TwilioAccount  # noqa: PLC0415  as the others

        return TwilioAccount(
            account_sid,
            auth_token,
            _base(settings.twilio_url),
            settings.provider_timeout_seconds,
            status_callback=f"{_base(settings.public_url)}/webhooks/twilio",
        )

    return make


def _webhook(settings: Settings, secret: Secret, clock: Callable[[], datetime]) -> Make:
    def secrets(tenant: str) -> Sequence[str]:
        try:
            keys: Sequence[str] = secret(settings.webhook_secrets_prefix + tenant)["keys"]
        except (NoSecret, KeyError):
            return ()
        return keys

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
