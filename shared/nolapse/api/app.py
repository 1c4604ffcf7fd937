"""The HTTP API's routes on one resolver (payload format 2.0)."""

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from sqlalchemy import Engine

from nolapse.api import health


def create_app(engine: Engine) -> APIGatewayHttpResolver:
    app = APIGatewayHttpResolver()
    health.add_routes(app, engine)
    return app
