"""template.yaml on one machine: the very handlers, over embedded PostgreSQL, moto and vendors' doubles."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from sqlalchemy import Engine

from local.buckets import BucketSource
from local.doubles.graph import GraphDouble
from local.doubles.graph_directory import Directory
from local.doubles.mailgun import MailgunDouble
from local.doubles.sendgrid import SendGridDouble
from local.doubles.server import Fault
from local.doubles.slack import SlackDouble
from local.doubles.teams import TeamsDouble
from local.doubles.twilio import TwilioDouble
from local.doubles.webhooks import MailgunWebhook, SendGridWebhook, TwilioWebhook
from local.http import Api
from local.issuer import AUDIENCE, ISSUER, Issuer, IssuerDouble
from local.lambda_runtime import Functions
from local.postgres import PORT, Postgres
from local.queues import EventSource
from local.receipts import Receipts, Webhooks
from local.resources import Cloud, create_stack
from local.template import Stack, Template
from nolapse.runtime import bootstrap
from nolapse.runtime.clock import Clock
from nolapse.runtime.settings import Settings

ROOT = Path(__file__).parent.parent
# Batches in flight at once; more would only wait for two cores.
POLLERS = 2
ACCOUNT = "AC" + 32 * "0"
VENDORS_KEY = "local"
PUBLIC_URL = "http://127.0.0.1:8000"


SENDERS = ["reminders@nolapse.test", "reminders-2@nolapse.test"]
NUMBERS = ["+15005550006"]
WHATSAPP: dict[str, Any] = {
    "senders": ["+15005550007"],
    "contents": {
        "default": {
            "sid": "HX" + 32 * "0",
            "text": "A reminder from {{1}}: {{2}}. Go to {{3}} for more, or reply STOP to end these.",
        }
    },
}


class Vendor(NamedTuple):
    """`secret` is what the stack keeps of it, given where its double answers."""

    double: Callable[..., Any]
    secret: Callable[[str], Mapping[str, object]]


VENDORS = {
    "graph": Vendor(
        partial(GraphDouble, directory=Directory("local", "nolapse", VENDORS_KEY), mailboxes=SENDERS),
        lambda url: {
            "authority": f"{url}/local",
            "client_id": "nolapse",
            "secret": VENDORS_KEY,
            "mailboxes": SENDERS,
        },
    ),
    "mailgun": Vendor(
        partial(MailgunDouble, domain="nolapse.test", api_key=VENDORS_KEY),
        lambda _url: {"api_key": VENDORS_KEY, "domain": "nolapse.test"},
    ),
    "twilio": Vendor(
        partial(
            TwilioDouble,
            account_sid=ACCOUNT,
            auth_token=VENDORS_KEY,
            contents={each["sid"]: each["text"] for each in WHATSAPP["contents"].values()},
        ),
        lambda _url: {
            "account_sid": ACCOUNT,
            "auth_token": VENDORS_KEY,
            "senders": NUMBERS,
            "whatsapp": WHATSAPP,
        },
    ),
}
OPS: dict[str, Callable[..., Any]] = {
    "slack": partial(SlackDouble, secret=VENDORS_KEY),
    "teams": partial(TeamsDouble, secret=VENDORS_KEY),
}


class PlanningLimits(TypedDict):
    horizon_months: int
    lookback_days: int


def planning_limits() -> PlanningLimits:
    """How far ahead and back the stack plans, as template.yaml sets it for every function."""
    variables = Template.load(ROOT / "template.yaml").document["Globals"]["Function"]["Environment"][
        "Variables"
    ]
    return PlanningLimits(
        horizon_months=int(variables["HORIZON_MONTHS"]), lookback_days=int(variables["LOOKBACK_DAYS"])
    )


Faults = Callable[[], Fault | None]


@dataclass(frozen=True, slots=True)
class RunningStack:
    stack: Stack
    functions: Functions
    queues: list[EventSource]
    buckets: list[BucketSource]
    sendgrid: SendGridDouble
    others: Mapping[str, GraphDouble | MailgunDouble | TwilioDouble]
    receipts: Receipts
    ops: Mapping[str, SlackDouble | TeamsDouble]
    engine: Engine
    environment: Mapping[str, str]


@contextmanager
def running(
    postgres: Postgres,
    database: str,
    *,
    mail: Path,
    clock: Clock,
    faults: Faults = lambda: None,
    others: Mapping[str, Faults] | None = None,
    ops: Mapping[str, Faults] | None = None,
    parameters: Mapping[str, str] | None = None,
) -> Iterator[RunningStack]:
    """The stack over `database`; what SendGrid's double takes is kept in `mail`.

    `others`: further vendors by name, with their faults: those of e-mail in the order in which they stand in for it.
    `ops`: operators' channels, likewise. `parameters`: of the template, beside those that make it local.
    """
    with ExitStack() as open_things:
        cloud = open_things.enter_context(Cloud())
        issuer = open_things.enter_context(IssuerDouble(Issuer(mail.parent), clock.now))
        sendgrid = open_things.enter_context(SendGridDouble(mail, clock.now, faults))
        doubles = {
            name: open_things.enter_context(
                VENDORS[name].double(mail.with_suffix(f".{name}.sqlite"), clock.now, own)
            )
            for name, own in (others or {}).items()
        }
        webhooks = Webhooks(
            SendGridWebhook(), MailgunWebhook(VENDORS_KEY), TwilioWebhook(VENDORS_KEY, PUBLIC_URL)
        )
        channels = {
            name: open_things.enter_context(OPS[name](mail.with_suffix(f".{name}.sqlite"), clock.now, own))
            for name, own in (ops or {}).items()
        }
        stack = create_stack(
            Template.load(ROOT / "template.yaml"),
            cloud,
            name="nolapse-local",
            parameters={
                "DatabaseHost": postgres.socket,
                "DatabasePort": str(PORT),
                "DatabaseName": database,
                "DatabaseTls": "off",
                "SubnetIds": "",
                "SecurityGroupIds": "",
                "SendgridUrl": sendgrid.url,
                "EmailProviders": ",".join(["sendgrid", *(name for name in doubles if name != "twilio")]),
                **{f"{name.capitalize()}Url": double.url for name, double in doubles.items()},
                "SenderEmail": "reminders@nolapse.test",
                "SenderName": "Nolapse",
                "PortalUrl": "http://127.0.0.1:8000/portal",
                "PublicUrl": PUBLIC_URL,
                "OidcIssuer": ISSUER,
                "OidcAudience": AUDIENCE,
                "OidcKeysUrl": issuer.keys_url,
                "AlertsEmail": "ops@nolapse.test",
                # moto's queue slows with depth: scan stays a few batches ahead of the senders.
                "ScanLimit": "100",
                # One machine has a fortnight to send in a minute.
                "EmailPerMinute": "6000",
                "PerTenantMinute": "6000",
                # Endpoints of tenants are on loopback too.
                "WebhookTargets": "any",
                "LogLevel": "INFO",
                "FlagsSource": str(ROOT / "local" / "flags.json"),
                **(parameters or {}),
            },
            secrets={
                "EngineSecretArn": {"username": "nolapse_engine", "password": "local"},
                "ApiSecretArn": {"username": "nolapse_api", "password": "local"},
                "SendgridSecretArn": {"api_key": "SG.local"},
                "WebhookSecretArn": webhooks.keys,
                **{
                    f"{name.capitalize()}SecretArn": VENDORS[name].secret(double.url)
                    for name, double in doubles.items()
                },
                **({"OpsSecretArn": {name: each.url for name, each in channels.items()}} if channels else {}),
                # As secrets hold it; events/ has a message that this key sealed.
                "SigningSecretArn": {
                    "current": "local",
                    "keys": {"local": "one machine, no cloud, no secret"},
                },
            },
        )
        environment = stack.environment | cloud.environment
        functions = open_things.enter_context(Functions(stack.functions, environment))
        runtime = bootstrap.Runtime(Settings.read(), clock)
        bootstrap.install(runtime)
        open_things.callback(runtime.engine.dispose)
        queues = [
            EventSource(trigger, stack, functions, cloud.sqs(), pollers=POLLERS)
            for trigger in stack.queue_triggers
        ]
        buckets = [
            BucketSource(trigger, stack, functions, cloud.s3(), cloud.sqs())
            for trigger in stack.bucket_triggers
        ]
        receipts = Receipts(webhooks, Api(stack.routes, functions), clock.now, sendgrid, doubles)
        yield RunningStack(
            stack,
            functions,
            queues,
            buckets,
            sendgrid,
            doubles,
            receipts,
            channels,
            runtime.engine,
            environment,
        )
