"""The template's HTTP API on a loopback port, in API Gateway's payload format 2.0, beside static directories.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import json
import logging
import mimetypes
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from local.lambda_runtime import FunctionError, Functions
from local.template import Route

_TEXT = re.compile(r"text/.*|application/(.*\+)?(json|xml|javascript)|application/x-www-form-urlencoded")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    @classmethod
    def message(cls, status: int, text: str) -> "Response":
        body = json.dumps({"message": text}).encode()
        return cls(status, [("content-type", "application/json")], body)


@dataclass(frozen=True)
class Api:
    """Requests to functions by the template's routes, or to files by mount point."""

    routes: Sequence[Route]
    functions: Functions
    mounts: Mapping[str, Path] = field(default_factory=dict)

    def answer(self, request: Request) -> Response:
        for prefix, directory in self.mounts.items():
            if request.path == prefix or request.path.startswith(f"{prefix}/"):
                return _file(prefix, directory, request)
        for route in sorted(self.routes, key=_specificity):
            parameters = match(route, request.method, request.path)
            if parameters is not None:
                return self._invoke(route, request, parameters)
        return Response.message(404, "Not Found")

    def _invoke(self, route: Route, request: Request, parameters: Mapping[str, str]) -> Response:
        try:
            answer = self.functions.invoke(route.function, to_event(route, request, parameters))
            return from_answer(answer)
        except FunctionError as error:
            log.exception("function failed", extra={"function": error.function})
            return Response.message(500, "Internal Server Error")


def _specificity(route: Route) -> tuple[bool, int, bool]:
    """What API Gateway tries first: whole paths, then the longest of those with {name+}; a method before ANY.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
    """
    return "+}" in route.path, -len(route.path), route.method == "ANY"


def match(route: Route, method: str, path: str) -> dict[str, str] | None:
    """Path parameters, or None on no match. {name} stands for one segment, {name+} for all that follow."""
    if route.method not in {"ANY", method}:
        return None
    names = re.split(r"\{(\w+)(\+?)\}", route.path)
    pattern = "".join(
        re.escape(text) + (f"(?P<{name}>{'.+' if greedy else '[^/]+'})" if name else "")
        for text, name, greedy in zip(names[::3], [*names[1::3], ""], [*names[2::3], ""], strict=True)
    )
    found = re.fullmatch(pattern, path, re.DOTALL)
    return found.groupdict() if found else None


def to_event(route: Route, request: Request, parameters: Mapping[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC)
    url = urlsplit(request.target)
    headers = _joined((name.lower(), value) for name, value in request.headers if name.lower() != "cookie")
    cookies = [
        value.strip()
        for name, values in request.headers
        if name.lower() == "cookie"
        for value in values.split(";")
    ]
    route_key = f"{route.method} {route.path}"
    is_text = _TEXT.fullmatch(headers.get("content-type", "text/plain").partition(";")[0].strip())
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": request.path,
        "rawQueryString": url.query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": headers.get("host", ""),
            "domainPrefix": headers.get("host", "").partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": route_key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": time.time_ns() // 1_000_000,
        },
        "isBase64Encoded": bool(request.body) and not is_text,
    }
    optional = {
        "cookies": cookies,
        "queryStringParameters": _joined(parse_qsl(url.query, keep_blank_values=True)),
        "pathParameters": dict(parameters),
        "body": request.body.decode(errors="replace") if is_text else base64.b64encode(request.body).decode(),
    }
    return event | {name: value for name, value in optional.items() if value}


def _joined(pairs: Any) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def from_answer(answer: Any) -> Response:
    """An answer without statusCode is the body of a 200, as in the format's rules."""
    if not isinstance(answer, dict) or "statusCode" not in answer:
        return Response(200, [("content-type", "application/json")], json.dumps(answer).encode())
    text = answer.get("body") or ""
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    headers = [(name.lower(), str(value)) for name, value in (answer.get("headers") or {}).items()]
    if "content-type" not in dict(headers):
        headers.append(("content-type", "text/plain;charset=utf-8"))
    headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
    return Response(int(answer["statusCode"]), headers, body)


def _file(prefix: str, directory: Path, request: Request) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return Response.message(405, "Method Not Allowed")
    if request.path == prefix:
        # Relative links of the page resolve against its directory.
        return Response(308, [("location", f"{prefix}/")])
    target = (directory / request.path.removeprefix(f"{prefix}/")).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(directory.resolve()) or not target.is_file():
        return Response.message(404, "Not Found")
    kind = mimetypes.guess_type(target.name)[0] or "application/octet-stream"
    charset = "; charset=utf-8" if kind.startswith("text/") else ""
    return Response(200, [("content-type", kind + charset)], target.read_bytes())


class _Server(ThreadingHTTPServer):
    # Beyond the system's default of 5, a burst of clients would wait for their SYN to be sent again.
    request_queue_size = 128


class HttpServer:
    """Serves an Api on 127.0.0.1 from `with` to the end of its block; port 0 takes a free one."""

    def __init__(self, api: Api, port: int) -> None:
        self._server = _Server(("127.0.0.1", port), _handler_class(api))
        self._thread = Thread(target=self._server.serve_forever, name="http", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_class(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer's head and body in one segment: the second of two waits for the client's delayed acknowledgement.
        wbufsize = -1

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            request = Request(self.command, self.path, self.headers.items(), body, self.client_address[0])
            response = api.answer(request)
            self.send_response(response.status)
            for name, value in response.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)

        def __getattr__(self, name: str) -> Any:
            """do_GET and its like, also of methods that no route has: the function refuses those, as in the cloud."""
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it
            log.debug(format, *args)

    return Handler
