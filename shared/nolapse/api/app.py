"""The HTTP API's routes on one resolver (payload format 2.0), behind one front door."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from sqlalchemy import Engine

from nolapse.api import acknowledge, calendar_feed, health, metrics, unsubscribe
from nolapse.api.front import Front, Log, cors
from nolapse.api.health import Depths, Watched
from nolapse.api.identity import Verifier
from nolapse.api.linked import Clock
from nolapse.api.pace import Pace
from nolapse.api.parameters import refuse_undeclared
from nolapse.api.resources import Resources
from nolapse.api.uploads import Uploads
from nolapse.api.v1 import V1, Outside
from nolapse.domain.links import DeadLink, Links
from nolapse.domain.seals import BrokenSeal, KeyRing
from nolapse.domain.senders import Capacity
from nolapse.planning.plan import Bounds
from nolapse.storage.meter import Meter


@dataclass(frozen=True, slots=True)
class Rules:
    """How the API is to be used. `limits` are the planner's, by the time of a request."""

    verifier: Verifier
    pace: Pace
    origins: list[str]
    limits: Callable[[datetime], Bounds]
    capacity: Capacity


def create_app(
    engine: Engine,
    links: Links,
    clock: Clock,
    *,
    keys: Callable[[], KeyRing],
    rules: Rules,
    portal_url: str,
    uploads: Uploads,
    count: Callable[[Mapping[str, int]], None],
    log: Log,
    meter: Meter,
    depths: Depths,
) -> Front:
    """`count` publishes what happened as metrics; `log` takes an event's name and its fields; `depths`: see Watched."""
    allowed = cors(rules.origins)
    app = APIGatewayHttpResolver(
        cors=allowed, debug=False, enable_validation=True, response_validation_error_http_code=500
    )
    app.use([refuse_undeclared])
    watched = Watched(engine, depths)
    health.add_routes(app, watched)
    metrics.add_routes(app, watched)
    acknowledge.add_routes(app, engine, links, clock, portal_url=portal_url, count=count)
    calendar_feed.add_routes(app, engine, links, clock, portal_url=portal_url)
    unsubscribe.add_routes(app, engine, links, clock, count=count)
    app.exception_handler([BrokenSeal, DeadLink])(acknowledge.refused_link)
    v1 = V1(app, engine, keys, rules.limits, Outside(portal_url, links, uploads, rules.capacity))
    return Front(app, engine, clock, rules.verifier, rules.pace, Resources(v1), allowed, log, meter)
