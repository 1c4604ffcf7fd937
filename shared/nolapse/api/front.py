"""The front door: what every request passes before its route, and every answer on its way out."""

import base64
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from nolapse.api.constraints import CONSTRAINTS
from nolapse.api.errors import (
    ApiError,
    BadRequest,
    Conflict,
    ErrorBody,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unavailable,
    Unprocessable,
    UnsupportedType,
)
from nolapse.api.identity import Verifier
from nolapse.api.pace import Pace
from nolapse.api.permissions import NEVER, Asked, asked, authorize
from nolapse.api.resources import Resources
from nolapse.api.v1 import JSON
from nolapse.delivery.depths import QueueUnreachable
from nolapse.delivery.queue import CORRELATION_ID
from nolapse.storage.engine import said
from nolapse.storage.meter import REQUEST, Meter

MOST_BODY_BYTES = 1_000_000
# API Gateway's own limit (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html).
MOST_HEADER_BYTES = 10_240
CORRELATION = "X-Correlation-Id"
LIVE = "/health/live"
SLOW_SECONDS = 1.0
# Labels of metrics: what strangers make up must not become one.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
DATA_EXCEPTION = "22"
# lock_not_available, deadlock_detected, serialization_failure: https://www.postgresql.org/docs/18/errcodes-appendix.html
IN_EACH_OTHERS_WAY = {"55P03", "40P01", "40001"}
# connection_exception, invalid_authorization, invalid_catalog_name, insufficient_resources, operator_intervention.
OUT_OF_REACH = {"08", "28", "3D", "53", "57"}
SECURITY = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
ASKED_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", CORRELATION]
SHOWN_HEADERS = [
    "Allow", "ETag", "Idempotency-Replayed", "Location", "Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining",
    "X-RateLimit-Reset", CORRELATION,
]  # fmt: skip

OURS = ApiError("INTERNAL", "that is our mistake: tell us the correlationId")

Log = Callable[[str, Mapping[str, object]], None]


def cors(origins: list[str]) -> CORSConfig | None:
    """Browsers of these origins may read answers; without any, no browser of another origin may."""
    if not origins:
        return None
    first, *others = origins
    return CORSConfig(first, others, allow_headers=ASKED_HEADERS, expose_headers=SHOWN_HEADERS, max_age=600)


@dataclass
class Front:
    """`resolve` is what the handler calls."""

    app: APIGatewayHttpResolver
    engine: Engine
    clock: Callable[[], datetime]
    verifier: Verifier
    pace: Pace
    resources: Resources
    allowed: CORSConfig | None
    log: Log
    meter: Meter

    def __post_init__(self) -> None:
        self.app.exception_handler(Exception)(self._refused_by_route)
        self.app.not_found(self._no_route)

    def resolve(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        began = time.perf_counter()
        headers = event.get("headers") or {}
        given = headers.get(CORRELATION.lower(), "")
        correlation_id = given if CORRELATION_ID.fullmatch(given) else str(uuid4())
        http = event["requestContext"]["http"]
        what = asked(http["method"], event["rawPath"])
        self.app.context.update(correlation_id=correlation_id, asked=what)
        extra: Mapping[str, str] = {}
        try:
            extra = self._admit(event, what)
        except Exception as error:  # noqa: BLE001  whatever it is, its caller gets an answer
            answer = self._refusal(error, headers.get("origin"))
            self.app.context.clear()
        else:
            self.resources.make(what.pattern)
            answer = self.app.resolve(event, context)
        own = {name.lower() for name in answer["headers"]}
        added = {**SECURITY, **extra, CORRELATION: correlation_id}
        answer["headers"].update({name: value for name, value in added.items() if name.lower() not in own})
        self._count(
            http["method"], what.route, answer["statusCode"], time.perf_counter() - began, correlation_id
        )
        return answer

    def _count(
        self, method: str, route: str | None, status: int, seconds: float, correlation_id: str
    ) -> None:
        fields: dict[str, object] = {"method": method, "route": route or "none", "status": status}
        labels = {"method": method if method in METHODS else "other", "route": route or "none"}
        self.meter.observe(REQUEST, seconds, **labels, status_code=str(status))
        # Liveness asks nothing of the database, nor does what may have failed for want of it: the next flush adds them.
        if route != LIVE and status != HTTPStatus.SERVICE_UNAVAILABLE:
            self.meter.flush(self.engine)
        slow = {"slow": "SLOW"} if seconds > SLOW_SECONDS else {}
        self.log(
            "api.request",
            {**fields, "latency_ms": round(seconds * 1000), "correlation_id": correlation_id, **slow},
        )

    def _admit(self, event: Mapping[str, Any], what: Asked) -> Mapping[str, str]:
        """The headers that say what is left of the caller's pace. Raises ApiError."""
        path = event["rawPath"]
        if path in NEVER:
            raise Forbidden(
                "NEVER", "nothing in Nolapse fills a base with made-up records or empties it, anywhere"
            )
        headers = event.get("headers") or {}
        if sum(len(name) + len(value) for name, value in headers.items()) > MOST_HEADER_BYTES:
            raise TooLarge("headers", MOST_HEADER_BYTES, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if len(event.get("body") or "") > MOST_BODY_BYTES:
            raise TooLarge("the body", MOST_BODY_BYTES)
        if what.method == "OPTIONS":
            return {}
        if not (path.startswith("/v1/") or what.is_guarded):
            _check_known(what)
            return {}
        principal = self.verifier.principal(headers.get("authorization"))
        now = self.clock()
        left = self.pace.take(self.engine, principal, now)
        self.app.context.update(principal=principal, now=now)
        authorize(principal, what)
        _check_known(what)
        _check_body(event)
        return left

    # ---- refusals, all of one shape
    def _no_route(self, _error: Exception) -> Response[str]:
        what: Asked = self.app.context["asked"]
        # A route that the matrix knows and the resolver does not take has letters in its path that no id has.
        wrong_method = what.methods and what.route is None
        error = MethodNotAllowed(what.methods) if wrong_method else NotFound("page")
        return self._respond(error)

    def _refused_by_route(self, error: Exception) -> Response[str]:
        return self._respond(self._said(error))

    def _refusal(self, error: Exception, origin: str | None) -> dict[str, Any]:
        response = self._respond(self._said(error))
        headers = {**response.headers, **(self.allowed.to_dict(origin) if self.allowed else {})}
        return {
            "statusCode": response.status_code,
            "headers": {"Content-Type": JSON, **headers},
            "body": response.body,
            "isBase64Encoded": False,
        }

    def _respond(self, error: ApiError) -> Response[str]:
        body = ErrorBody(
            error=error.status.phrase,
            message=error.message,
            code=error.code,
            correlation_id=self.app.context["correlation_id"],
            timestamp=datetime.now(UTC),
            fields=error.fields,
        )
        return Response(error.status, JSON, body.model_dump_json(by_alias=True), error.headers)

    def _said(self, error: Exception) -> ApiError:
        match error:
            case ApiError():
                return error
            case RequestValidationError() | ValidationError():
                return Unprocessable.said_by(error.errors())
            case DBAPIError() if (name := said(error, "n")) in CONSTRAINTS:
                field, message, stands_in_the_way = CONSTRAINTS[name]
                return Conflict(field, message) if stands_in_the_way else Unprocessable.of(field, message)
            case DBAPIError():
                return self._said_by_database(error)
            case QueueUnreachable():
                return Unavailable(str(error), 30)
        self._report("api.failed", error)
        return OURS

    def _said_by_database(self, error: DBAPIError) -> ApiError:
        code = said(error, "C")
        if code in IN_EACH_OTHERS_WAY:
            return Unavailable("somebody else is at the same records", 1)
        if code.startswith(DATA_EXCEPTION):
            return BadRequest("BAD_REQUEST", "a value can't be stored: it is out of range")
        if not code or code[:2] in OUT_OF_REACH:
            self._report("api.database_unreachable", error)
            return Unavailable("the database can't be reached", 30)
        self._report("api.failed", error)
        return OURS

    def _report(self, event: str, error: Exception) -> None:
        """Where it happened, and none of what an error may quote."""
        self.log(
            event,
            {
                "kind": type(error).__name__,
                "trace": "".join(traceback.format_tb(error.__traceback__)),
                "correlation_id": self.app.context["correlation_id"],
            },
        )


def _check_known(what: Asked) -> None:
    """What the matrix does not know, no route may answer, however the resolver reads its path.

    Raises NotFound, MethodNotAllowed.
    """
    if what.pattern is None:
        raise NotFound("page")
    if what.route is None:
        raise MethodNotAllowed(what.methods)


def _check_body(event: Mapping[str, Any]) -> None:
    """Raises UnsupportedType, BadRequest, Unprocessable."""
    body = event.get("body")
    if not body:
        return
    kind, _, parameters = (event.get("headers") or {}).get("content-type", "").partition(";")
    if kind.strip().lower() != JSON or parameters.strip().lower() not in {"", "charset=utf-8"}:
        raise UnsupportedType(JSON)
    try:
        document = json.loads(base64.b64decode(body).decode() if event.get("isBase64Encoded") else body)
    except (ValueError, RecursionError):
        raise BadRequest("BAD_REQUEST", "the body is no JSON") from None
    if not isinstance(document, dict):
        # Powertools would take the first of a list for the whole.
        raise Unprocessable.of("body", "is no JSON object: send one record")
