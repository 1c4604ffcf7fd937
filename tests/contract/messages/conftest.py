"""Every provider that sends no e-mail, each against its vendor's double on loopback, in place of the e-mail ones."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.doubles.double import Double
from local.doubles.faults import FaultQueue
from local.doubles.received import ReceivedCallback, ReceivedNotice, ReceivedText
from local.doubles.slack import SlackDouble
from local.doubles.teams import TeamsDouble
from local.doubles.tenant_endpoint import TenantEndpointDouble
from local.doubles.twilio import TwilioDouble
from nolapse.domain.messages import Callback, Notice, Sought, TemplateMessage, TextMessage
from nolapse.domain.outcomes import Outcome, ProbeResult, RetrySafe, Unknown
from nolapse.providers.slack import Slack
from nolapse.providers.teams import Teams
from nolapse.providers.tenant_webhook import TenantWebhook
from nolapse.providers.twilio_messages import TwilioAccount, TwilioSms, TwilioWhatsApp
from tests.contract.conftest import Clock

ACCOUNT = "AC" + "7" * 32
TEMPLATE = "HX" + "4" * 32
# Of the forms that the vendors give them.
SECRETS = {
    "twilio-sms": "2e8c1a5f0b7d4c3e9a6f2b1c0d4e8f7a",
    "twilio-whatsapp": "2e8c1a5f0b7d4c3e9a6f2b1c0d4e8f7a",
    "slack": "XXXXcontractXXXXsecretXX",
    "teams": "contract-secret_0123456789",
    "tenant-webhook": "whsec_Y29udHJhY3Qtc2VjcmV0LW9mLWEtdGVuYW50IQ==",
}
KEY, ATTEMPT = "5f" * 32, "0198f0c2-7d1a-7c3e-9b7e-3a1f6f0c2d4e"
TEXT = 'License ending 4821\nexpires on 30 May 2026, "naïve" 😀'
SMS = TextMessage(to="+12125550134", sender="+12015550199", key=KEY, attempt_id=ATTEMPT, body=TEXT)
WHATSAPP = TemplateMessage(
    to="+12125550134",
    sender="+12015550199",
    key=KEY,
    attempt_id=ATTEMPT,
    content_id=TEMPLATE,
    variables={"1": TEXT},
    body=f"A reminder: {TEXT}",
)
NOTICE = Notice(
    key=KEY,
    title="Drift in <3> windows & “more”",
    text=TEXT,
    facts={"run_id": "0198_f0c2_4821", "missing": "3"},
    link="https://nolapse.example/runs/4821?a=b&c=d",
)
CALLBACK = Callback(
    tenant="0198f0c2-7d1a-7c3e-9b7e-000000004821",
    url="https://tenant.invalid/",
    key=KEY,
    at=dt.datetime(2026, 3, 1, 13, 59, tzinfo=dt.UTC),
    payload={"type": "notification.sent", "data": {"text": TEXT}},
)


@dataclass(frozen=True)
class Vendor:
    """`provider` gets the whole URL of its double, or of what stands in for it.

    `asks`: it can be asked what it took. `dedupes`: whatever may have arrived is sent again.
    `took`: the statuses that say that it was taken, without a word beside them.
    """

    double: Callable[..., Double]
    provider: Callable[[str, float, Clock], Any]
    message: Any
    with_text: Callable[[Any, str], Any]
    shown: Callable[[Any], object]
    asks: bool = False
    dedupes: bool = False
    took: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Targeted:
    """A tenant's provider, whose messages say where they go."""

    provider: TenantWebhook
    url: str
    name: str = TenantWebhook.name

    def send(self, callback: Callback) -> Outcome:
        return self.provider.send(replace(callback, url=self.url))

    def probe(self, sought: Sought) -> ProbeResult:
        return self.provider.probe(sought)


def account(
    url: str, timeout: float, callback: str | None = "https://nolapse.example/receipts"
) -> TwilioAccount:
    return TwilioAccount(ACCOUNT, SECRETS["twilio-sms"], url, timeout, callback)


def twilio_double(*place: Any) -> TwilioDouble:
    return TwilioDouble(
        *place,
        account_sid=ACCOUNT,
        auth_token=SECRETS["twilio-sms"],
        contents={TEMPLATE: "A reminder: {{1}}"},
    )


def text_shown(message: TextMessage | TemplateMessage | ReceivedText) -> object:
    return message.to, message.sender, message.body, message.key, message.attempt_id


def notice_shown(notice: Notice | ReceivedNotice) -> object:
    return notice.title, notice.text, notice.facts, notice.link


def callback_shown(callback: Callback | ReceivedCallback) -> object:
    payload = callback.payload
    if isinstance(callback, Callback):
        payload = {**payload, "timestamp": "2026-03-01T13:59:00Z"}
    return callback.key, payload


VENDORS: Mapping[str, Vendor] = {
    "twilio-sms": Vendor(
        twilio_double,
        lambda url, timeout, _clock: TwilioSms(account(url, timeout)),
        SMS,
        lambda message, text: replace(message, body=text),
        text_shown,
        asks=True,
    ),
    "twilio-whatsapp": Vendor(
        twilio_double,
        lambda url, timeout, _clock: TwilioWhatsApp(account(url, timeout)),
        WHATSAPP,
        lambda message, text: replace(message, variables={"1": text}, body=f"A reminder: {text}"),
        text_shown,
        asks=True,
    ),
    "slack": Vendor(
        lambda *place: SlackDouble(*place, secret=SECRETS["slack"]),
        lambda url, timeout, _clock: Slack(url, timeout),
        NOTICE,
        lambda notice, text: replace(notice, text=text),
        notice_shown,
    ),
    "teams": Vendor(
        lambda *place: TeamsDouble(*place, secret=SECRETS["teams"]),
        lambda url, timeout, _clock: Teams(url, timeout),
        NOTICE,
        lambda notice, text: replace(notice, text=text),
        notice_shown,
        took=frozenset({202}),
    ),
    "tenant-webhook": Vendor(
        lambda *place: TenantEndpointDouble(*place, keys=[SECRETS["tenant-webhook"]]),
        lambda url, timeout, clock: Targeted(
            TenantWebhook(lambda _tenant: [SECRETS["tenant-webhook"]], timeout, clock, only_public=False), url
        ),
        CALLBACK,
        lambda callback, text: replace(callback, payload={**callback.payload, "data": {"text": text}}),
        callback_shown,
        dedupes=True,
        took=frozenset({200, 202}),
    ),
}


@dataclass
class Rig:
    """A provider wired to its vendor's double; `provider_at` wires another to any origin, by the same path."""

    vendor: Vendor
    double: Any
    clock: Clock
    faults: FaultQueue
    secret: str

    @cached_property
    def provider(self) -> Any:
        return self.provider_at(self.double.url, 10)

    @property
    def message(self) -> Any:
        return self.vendor.message

    def provider_at(self, url: str, timeout: float) -> Any:
        origin, own = urlsplit(url), urlsplit(self.double.url)
        return self.vendor.provider(
            own._replace(scheme=origin.scheme, netloc=origin.netloc).geturl(), timeout, self.clock
        )

    def sought(self, message: Any, since: dt.datetime | None = None) -> Sought:
        body = getattr(message, "body", None)
        return Sought(
            key=message.key,
            attempt_id=getattr(message, "attempt_id", ATTEMPT),
            to=getattr(message, "to", ""),
            since=since or self.clock.now,
            sender=getattr(message, "sender", None),
            body_sha256=None if body is None else sha256(body.encode()).digest(),
        )

    def lost(self) -> type[Unknown] | type[RetrySafe]:
        return RetrySafe if self.vendor.dedupes else Unknown


@pytest.fixture(params=sorted(VENDORS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    vendor = VENDORS[request.param]
    clock, faults = Clock(), FaultQueue()
    with vendor.double(tmp_path / "double.sqlite", clock, faults) as double:
        yield Rig(vendor, double, clock, faults, SECRETS[request.param])
