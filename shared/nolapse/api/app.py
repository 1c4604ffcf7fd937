"""The HTTP API's routes on one resolver (payload format 2.0), behind one front door."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from sqlalchemy import Engine

from nolapse.api import (
    acknowledge,
    clinicians,
    health,
    licenses,
    medications,
    notifications,
    privacy,
    renewals,
    unsubscribe,
    users,
)
from nolapse.api.acknowledge import Clock
from nolapse.api.front import Front, Log, cors
from nolapse.api.identity import Verifier
from nolapse.api.pace import Pace
from nolapse.api.v1 import V1
from nolapse.domain.links import DeadLink, Links
from nolapse.domain.seals import BrokenSeal, KeyRing
from nolapse.planning.plan import Bounds

RESOURCES = (clinicians, privacy, users, licenses, medications, notifications, renewals)


@dataclass(frozen=True, slots=True)
class Rules:
    """How the API is to be used. `limits` are the planner's, by the time of a request."""

    verifier: Verifier
    pace: Pace
    origins: list[str]
    limits: Callable[[datetime], Bounds]


def create_app(
    engine: Engine,
    links: Links,
    clock: Clock,
    *,
    keys: Callable[[], KeyRing],
    rules: Rules,
    portal_url: str,
    count: Callable[[Mapping[str, int]], None],
    log: Log,
) -> Front:
    """`count` publishes what happened as metrics; `log` takes an event's name and its fields."""
    allowed = cors(rules.origins)
    app = APIGatewayHttpResolver(
        cors=allowed, debug=False, enable_validation=True, response_validation_error_http_code=500
    )
    health.add_routes(app, engine)
    acknowledge.add_routes(app, engine, links, clock, portal_url=portal_url, count=count)
    unsubscribe.add_routes(app, engine, links, clock, count=count)
    app.exception_handler([BrokenSeal, DeadLink])(acknowledge.refused_link)
    v1 = V1(app, engine, keys, rules.limits)
    for resource in RESOURCES:
        resource.add_routes(v1)
    return Front(app, engine, clock, rules.verifier, rules.pace, v1.constraints, allowed, log)
