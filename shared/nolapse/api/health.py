"""Is it alive, and can it do its work? For load balancers, probes and people."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from pydantic import AwareDatetime
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from nolapse.api.schemas import Model
from nolapse.api.v1 import OF_READS, responses
from nolapse.delivery.depths import Depth, QueueUnreachable
from nolapse.storage.schema import HEAD
from nolapse.storage.statements import statement

RETRY_AFTER_SECONDS = 30
# Whose runs are on record.
FUNCTIONS = ("catch_up", "forecast", "maintenance", "reconcile", "scan", "watchdog")

Depths = Callable[[], Sequence[Depth]]


class Health(Model):
    """`checks`: part by part, "ok" or what is wrong with it."""

    status: str
    checks: dict[str, str]


class Circuit(Model):
    service: str
    state: str
    failures: int
    changed_at: AwareDatetime
    retry_at: AwareDatetime | None


class Heartbeat(Model):
    """The last run that began, and the end of the last that ended well."""

    function: str
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None


class Pool(Model):
    """Connections of the instance that answers."""

    size: int
    in_use: int
    idle: int


class Detailed(Health):
    queues: list[Depth]
    circuits: list[Circuit]
    heartbeats: list[Heartbeat]
    connections: dict[str, int]
    pool: Pool


@dataclass(frozen=True, slots=True)
class Watched:
    """`depths` asks every queue and dead-letter queue. Raises QueueUnreachable."""

    engine: Engine
    depths: Depths


def add_routes(app: APIGatewayHttpResolver, watched: Watched) -> None:
    @app.get("/health/live")
    def live() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/health/db")
    def database() -> Response[Any]:
        return _answer(check_database(watched.engine))

    @app.get("/health")
    @app.get("/health/ready")
    def ready() -> Response[Any]:
        return _answer(check(watched))

    @app.get(
        "/health/detailed",
        summary="How queues, circuits, runs and connections stand",
        description="Names no tenant and no person. 200 whatever it finds: `status` is that of /health/ready.",
        operation_id="get_detailed_health",
        tags=["operators"],
        responses=responses(HTTPStatus.OK, OF_READS),
        security=[{"oidc": []}],
    )
    def detailed() -> Detailed:
        health = check(watched)
        with watched.engine.connect() as connection:
            row = connection.execute(statement("operating_state"), {"functions": list(FUNCTIONS)}).one()
        return Detailed(
            **health.model_dump(),
            queues=list(watched.depths()) if health.checks["queue"] == "ok" else [],
            circuits=row.circuits,
            heartbeats=row.heartbeats,
            connections=row.connections,
            pool=pool(watched.engine),
        )


def check_database(engine: Engine) -> Health:
    try:
        with engine.connect() as connection:
            row = connection.execute(statement("check_health")).one()
    except DBAPIError:
        return Health(status="unavailable", checks={"database": "unreachable"})
    return _judged({"database": "ok", "schema": _schema(row.schema_version)})


def check(watched: Watched) -> Health:
    try:
        with watched.engine.connect() as connection:
            row = connection.execute(statement("check_health")).one()
    except DBAPIError:
        return Health(status="unavailable", checks={"database": "unreachable"})
    health = _judged(
        {
            "database": "ok",
            "schema": _schema(row.schema_version),
            "queue": _queue(watched.depths),
            "zone_data": "ok" if row.zones_loaded else "empty: run the maintenance function",
            "scan": "ok" if row.scan_is_fresh else "no finished run in the last 5 minutes",
        }
    )
    # Messages go round a provider that is out of reach, or wait for it: that is no failure of ours.
    health.checks["providers"] = f"out of reach: {', '.join(row.out_of_reach)}" if row.out_of_reach else "ok"
    return health


def pool(engine: Engine) -> Pool:
    of_engine = engine.pool
    assert isinstance(of_engine, QueuePool)  # noqa: S101  what create_engine makes
    return Pool(size=of_engine.size(), in_use=of_engine.checkedout(), idle=of_engine.checkedin())


def _schema(version: str) -> str:
    return "ok" if version >= HEAD else f"at {version}, and this code needs {HEAD}: run `nolapse migrate`"


def _queue(depths: Depths) -> str:
    try:
        depths()
    except QueueUnreachable as error:
        return f"unreachable: {error.queue}"
    return "ok"


def _judged(checks: dict[str, str]) -> Health:
    wrong = any(state != "ok" for state in checks.values())
    return Health(status="unavailable" if wrong else "ok", checks=checks)


def _answer(health: Health) -> Response[Any]:
    healthy = health.status == "ok"
    return Response(
        status_code=HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE,
        content_type=content_types.APPLICATION_JSON,
        body=health.model_dump_json(),
        headers={} if healthy else {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
