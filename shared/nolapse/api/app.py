"""The HTTP API's routes on one resolver (payload format 2.0)."""

from collections.abc import Callable, Mapping

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from sqlalchemy import Engine

from nolapse.api import acknowledge, health, unsubscribe
from nolapse.api.acknowledge import Clock
from nolapse.domain.links import DeadLink, Links
from nolapse.domain.seals import BrokenSeal


def create_app(
    engine: Engine,
    links: Links,
    clock: Clock,
    *,
    portal_url: str,
    count: Callable[[Mapping[str, int]], None],
) -> APIGatewayHttpResolver:
    """`count` publishes what happened as metrics."""
    app = APIGatewayHttpResolver()
    health.add_routes(app, engine)
    acknowledge.add_routes(app, engine, links, clock, portal_url=portal_url, count=count)
    unsubscribe.add_routes(app, engine, links, clock, count=count)
    app.exception_handler([BrokenSeal, DeadLink])(acknowledge.refused_link)
    return app
