"""template.yaml on one machine: the very handlers, over embedded PostgreSQL, moto and vendors' doubles."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from sqlalchemy import Engine

from local.doubles.sendgrid import SendGridDouble
from local.doubles.server import Fault
from local.lambda_runtime import Functions
from local.postgres import PORT, Postgres
from local.queues import EventSource
from local.resources import Cloud, create_stack
from local.template import Stack, Template
from nolapse.runtime import bootstrap
from nolapse.runtime.clock import Clock
from nolapse.runtime.settings import Settings

ROOT = Path(__file__).parent.parent
# Batches in flight at once; more would only wait for two cores.
POLLERS = 2


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


@dataclass(frozen=True, slots=True)
class RunningStack:
    stack: Stack
    functions: Functions
    queues: list[EventSource]
    sendgrid: SendGridDouble
    engine: Engine
    environment: Mapping[str, str]


@contextmanager
def running(
    postgres: Postgres,
    database: str,
    *,
    mail: Path,
    clock: Clock,
    faults: Callable[[], Fault | None] = lambda: None,
) -> Iterator[RunningStack]:
    """The stack over `database`; what SendGrid's double takes is kept in `mail`."""
    with ExitStack() as open_things:
        cloud = open_things.enter_context(Cloud())
        sendgrid = open_things.enter_context(SendGridDouble(mail, clock.now, faults))
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
                "SenderEmail": "reminders@nolapse.test",
                "SenderName": "Nolapse",
                "PortalUrl": "http://127.0.0.1:8000/portal",
                "AlertsEmail": "ops@nolapse.test",
                # moto's queue slows with depth: scan stays a few batches ahead of the senders.
                "ScanLimit": "100",
                "LogLevel": "INFO",
                "FlagsSource": str(ROOT / "local" / "flags.json"),
            },
            secrets={
                "EngineSecretArn": {"username": "nolapse_engine", "password": "local"},
                "ApiSecretArn": {"username": "nolapse_api", "password": "local"},
                "SendgridSecretArn": {"api_key": "SG.local"},
                # As secrets hold it; events/ has a message that this key sealed.
                "SigningSecretArn": {
                    "current": "local",
                    "keys": {"local": "one machine, no cloud, no secret"},
                },
            },
        )
        environment = stack.environment | cloud.environment
        functions = open_things.enter_context(Functions(stack.functions, environment))
        runtime = bootstrap.Runtime(Settings(), clock)
        bootstrap.install(runtime)
        open_things.callback(runtime.engine.dispose)
        queues = [
            EventSource(trigger, stack, functions, cloud.sqs(), pollers=POLLERS)
            for trigger in stack.queue_triggers
        ]
        yield RunningStack(stack, functions, queues, sendgrid, runtime.engine, environment)
