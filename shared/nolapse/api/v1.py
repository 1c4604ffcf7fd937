"""What routes under /v1 stand on: one transaction a request, as its tenant, with everything of it or nothing.

A resource is one file with `add_routes(v1)`. Its functions take what pydantic validated, work on `v1.connection`, and
return a model; refusals are ApiErrors. Tags, repeats and pages are seen to here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from sqlalchemy import Connection, Engine, Result, Row, text

from nolapse.api.errors import ErrorBody, Forbidden, NotFound
from nolapse.api.etags import etag
from nolapse.api.idempotency import HEADER, Answer, Repeatable
from nolapse.api.identity import Principal
from nolapse.api.uploads import Uploads
from nolapse.domain.links import Links
from nolapse.domain.seals import KeyRing
from nolapse.domain.senders import Capacity
from nolapse.planning.plan import Bounds
from nolapse.storage.engine import tenant_transaction
from nolapse.storage.statements import statement

JSON = "application/json"
IS_OPERATOR = text("SELECT is_operator FROM visible_tenants WHERE tenant_id = :tenant_id")
# Of every answer that is no success, in the OpenAPI document.
REFUSALS: Mapping[int, str] = {
    400: "It can't be read",
    401: "No access token, or none that is good",
    403: "Not with this role or scope",
    404: "Not there, or not yours",
    409: "Another record stands in the way",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Not JSON",
    422: "Fields to change",
    428: "If-Match is missing",
    429: "Too many requests this minute",
    503: "Try again",
}
OF_READS = (400, 401, 403, 404, 422, 429, 503)
OF_WRITES = tuple(REFUSALS)


@dataclass(frozen=True, slots=True)
class Outside:
    """What some routes name that is no row: where people correct their dates, links, and registers.

    `capacity`: how fast messages leave, and by which providers.
    """

    portal_url: str
    links: Links
    uploads: Uploads
    capacity: Capacity


class V1:
    def __init__(
        self,
        app: APIGatewayHttpResolver,
        engine: Engine,
        keys: Callable[[], KeyRing],
        limits: Callable[[datetime], Bounds],
        outside: Outside,
    ) -> None:
        self._app = app
        self._engine = engine
        self._keys = keys
        self._limits = limits
        self.outside = outside

    # ---- the request under way
    @property
    def connection(self) -> Connection:
        connection: Connection = self._app.context["connection"]
        return connection

    @property
    def principal(self) -> Principal:
        principal: Principal = self._app.context["principal"]
        return principal

    @property
    def now(self) -> datetime:
        now: datetime = self._app.context["now"]
        return now

    @property
    def limits(self) -> Bounds:
        return self._limits(self.now)

    @property
    def keys(self) -> KeyRing:
        return self._keys()

    @property
    def if_match(self) -> str | None:
        return self._app.current_event.headers.get("if-match")

    def audit(
        self, action: str, subject: str, changed: Sequence[str] = (), *, of: UUID | None = None
    ) -> None:
        """Last in a transaction, so that the log's lock is held for a moment only. `changed`: names, no values.

        `of`: the tenant that the transaction acts for, where it is not the caller's own.
        """
        self._audit(action, [subject], [", ".join(changed) or None], of)

    def audit_all(self, entries: Sequence[tuple[str, str]]) -> None:
        """(action, subject) of many records."""
        for action in sorted({action for action, _ in entries}):
            subjects = [subject for its, subject in entries if its == action]
            self._audit(action, subjects, [None] * len(subjects))

    def _audit(
        self, action: str, subjects: Sequence[str], reasons: Sequence[str | None], of: UUID | None = None
    ) -> None:
        self.connection.execute(
            statement("audit_by_hand"),
            {
                "tenants": [of or self.principal.tenant_id] * len(subjects),
                "now": self.now,
                "action": action,
                "subjects": list(subjects),
                "reasons": list(reasons),
            },
        )

    def shows(self, person: UUID) -> None:
        """Whose record an answer is that does not name them."""
        self._app.context["shown"] = [person]

    def only(self, rows: Result[Any], what: str) -> Row[Any]:
        """Raises NotFound where there is none: not there, or another tenant's."""
        row = rows.one_or_none()
        if row is None:
            raise NotFound(what)
        return row

    def require_operator(self) -> None:
        """Raises Forbidden where the caller's tenant is not the one that runs the platform."""
        own = {"tenant_id": self.principal.tenant_id}
        if not self.connection.scalar(IS_OPERATOR, own):
            raise Forbidden("OPERATOR", "this is for the Admins of who runs the platform")

    # ---- routes
    def route(
        self,
        method: str,
        rule: str,
        *,
        status: HTTPStatus = HTTPStatus.OK,
        audited: bool = False,
        kind: str = JSON,
        refusals: Sequence[int] = (),
    ) -> Callable[[Any], Any]:
        """A route of the API. Its function's name and docstring are what the OpenAPI document says of it.

        `audited`: it writes to the audit log, though it is a GET. `kind`: what it answers where that is no JSON.
        `refusals`: statuses beyond those that every route of its method may answer.
        """
        reads = method == "GET"

        def register(function: Any) -> Any:
            summary, _, description = (function.__doc__ or "").partition("\n")
            decorate = self._app.route(
                rule,
                method,
                summary=summary.rstrip("."),
                description=description.strip() or summary,
                operation_id=function.__name__,
                tags=[rule.split("/")[2]],
                responses=responses(status, (*(OF_READS if reads else OF_WRITES), *refusals), kind),
                security=[{"oidc": []}],
                middlewares=[self._read if reads and not audited else self._write],
                status_code=status,
            )
            return decorate(function)

        return register

    def _read(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:
        with self._transaction(read_only=True) as connection:
            app.context["connection"] = connection
            response = next_middleware(app)
        self._audit_read(app, response)
        _tag(response)
        if response.headers.get("ETag") in (app.current_event.headers.get("if-none-match") or "").split(", "):
            return Response(HTTPStatus.NOT_MODIFIED, headers=response.headers, body="")
        return response

    def _audit_read(self, app: Any, response: Response[Any]) -> None:
        """Whose records were shown: one entry per person. In a transaction of its own, for a read's own writes nothing;
        before the answer leaves, for what can't be audited is not shown.
        """
        people = sorted({*app.context.pop("shown", ()), *_people(response.body)}, key=str)
        if not people:
            return
        with self._transaction(read_only=False) as connection:
            app.context["connection"] = connection
            self._audit(
                "person.read",
                [f"clinician:{person}" for person in people],
                [app.context["asked"].route] * len(people),
            )

    def _write(self, app: Any, next_middleware: NextMiddleware) -> Response[Any]:
        event = app.current_event
        key = event.headers.get(HEADER) if event.http_method == "POST" else None
        with self._transaction(read_only=False) as connection:
            app.context["connection"] = connection
            if key is None:
                response = next_middleware(app)
                _tag(response)
                return response
            request = "\n".join((event.http_method, event.path, event.decoded_body or ""))
            repeatable = Repeatable(connection, self.principal, key, request)
            before = repeatable.begin(self.now)
            if before is not None:
                headers = {**before.headers, "Idempotency-Replayed": "true"}
                return Response(before.status, JSON, before.body, headers)
            response = next_middleware(app)
            _tag(response)
            repeatable.finish(Answer(response.status_code, _single(response.headers), response.body))
        return response

    def _transaction(self, *, read_only: bool) -> Any:
        who = self.principal
        return tenant_transaction(
            self._engine,
            who.actor,
            who.tenant_id,
            clinician_id=who.clinician_id,
            correlation_id=self._app.context["correlation_id"],
            read_only=read_only,
        )


def _people(body: Any) -> Iterator[str]:
    records = body.get("items", [body]) if isinstance(body, dict) else []
    return (str(each[name]) for each in records for name in ("clinician_id", "user_id") if each.get(name))


def _tag(response: Response[Any]) -> None:
    """A record's answer carries its tag; a list's has none."""
    if isinstance(response.body, dict) and "items" not in response.body:
        response.headers["ETag"] = etag(response.body)


def _single(headers: Mapping[str, str | list[str]]) -> dict[str, str]:
    return {name: value if isinstance(value, str) else ", ".join(value) for name, value in headers.items()}


def responses(status: HTTPStatus, refusals: Sequence[int], kind: str = JSON) -> Any:
    refused = {
        number: {"description": REFUSALS[number], "content": {JSON: {"model": ErrorBody}}}
        for number in refusals
    }
    answer: dict[str, Any] = {"description": status.phrase}
    if kind != JSON:
        answer["content"] = {kind: {"schema": {"type": "string", "format": "binary"}}}
    return {int(status): answer, **refused}
