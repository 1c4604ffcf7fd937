"""Is it alive, and can it do its work? For load balancers, probes and people."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from pydantic import BaseModel
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from nolapse.storage.statements import statement

RETRY_AFTER_SECONDS = 30


class Health(BaseModel):
    """`checks`: part by part, "ok" or what is wrong with it."""

    status: str
    checks: dict[str, str]


def add_routes(app: APIGatewayHttpResolver, engine: Engine) -> None:
    @app.get("/health/live")
    def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/health")
    @app.get("/health/ready")
    def ready() -> Response[Any]:
        health = check(engine)
        healthy = health.status == "ok"
        return Response(
            status_code=HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE,
            content_type=content_types.APPLICATION_JSON,
            body=health.model_dump_json(),
            headers={} if healthy else {"Retry-After": str(RETRY_AFTER_SECONDS)},
        )


def check(engine: Engine) -> Health:
    try:
        with engine.connect() as connection:
            row = connection.execute(statement("check_health")).one()
    except DBAPIError:
        return Health(status="unavailable", checks={"database": "unreachable"})
    checks = {
        "database": "ok",
        "zone_data": "ok" if row.zones_loaded else "empty: run the maintenance function",
        "scan": "ok" if row.scan_is_fresh else "no finished run in the last 5 minutes",
    }
    wrong = any(state != "ok" for state in checks.values())
    # Messages go round a provider that is out of reach, or wait for it: that is no failure of ours.
    checks["providers"] = f"out of reach: {', '.join(row.out_of_reach)}" if row.out_of_reach else "ok"
    return Health(status="unavailable" if wrong else "ok", checks=checks)
