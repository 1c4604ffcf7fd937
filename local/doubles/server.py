"""A vendor's HTTP server on a free loopback port: its lifecycle, its wire, and what can go wrong on it."""

import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Message
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is JSON, bytes for plain text, or None for an empty one."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Exchange:
    """One request as a fault sees it: take it as the vendor would, answer, or do worse.

    `line` is its method and path.
    """

    def __init__(self, handler: "_Handler") -> None:
        self._handler = handler
        self._request: Request | None = None
        self.stopping = handler.server.stopping
        self.line = f"{handler.command} {handler.path}"

    def process(self) -> Reply:
        return self._handler.server.vendor(self.read())

    def read(self) -> Request:
        """The whole request, off the wire once however often it is asked for."""
        if self._request is None:
            self._request = self._read()
        return self._request

    def _read(self) -> Request:
        handler = self._handler
        length = int(handler.headers.get("Content-Length", 0))
        body = handler.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError
        return Request(handler.command, handler.path, handler.headers, body)

    def reply(self, reply: Reply) -> None:
        handler = self._handler
        plain = isinstance(reply.body, bytes)
        body = reply.body if plain else b"" if reply.body is None else json.dumps(reply.body).encode()
        handler.send_response(reply.status)
        if body:
            handler.send_header("Content-Type", "text/plain" if plain else "application/json")
        for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def write(self, data: bytes) -> None:
        """Bytes outside of HTTP's rules; the connection ends with them."""
        self._handler.close_connection = True
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def reset(self) -> None:
        """RST: with no time to linger, close() drops what is unsent and unread."""
        self._handler.close_connection = True
        connection = self._handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())


def answer_normally(exchange: Exchange) -> None:
    exchange.reply(exchange.process())


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"
    # Buffered: an answer in two writes would wait for Nagle and a delayed acknowledgement.
    wbufsize = -1

    def _answer(self) -> None:
        fault = self.server.faults() or answer_normally
        fault(Exchange(self))

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815

    def date_time_string(self, timestamp: float | None = None) -> str:
        at = self.server.clock() if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
        return format_datetime(at.astimezone(UTC), usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: the store is the record."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(
        self,
        vendor: Callable[[Request], Reply],
        clock: Callable[[], datetime],
        faults: "Callable[[], Fault | None]",
        port: int,
    ) -> None:
        self.vendor = vendor
        self.clock = clock
        self.faults = faults
        self.stopping = Event()
        self._connections: set[Any] = set()
        self._closed_one = Condition()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._closed_one:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._closed_one:
            self._connections.discard(request)
            self._closed_one.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is its own business; anything else is a bug of ours to be seen."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def drain(self) -> None:
        """Let exchanges under way finish; wake those that only wait for a client."""
        self.stopping.set()
        with self._closed_one:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
            self._closed_one.wait_for(lambda: not self._connections)
        self.server_close()


Fault = Callable[[Exchange], None]
# How long a stop may take that nothing else holds up.
POLL_SECONDS = 0.01


class DoubleServer:
    """`faults` is asked before every request; None means that this one goes well."""

    def __init__(
        self,
        vendor: Callable[[Request], Reply],
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None],
    ) -> None:
        self._vendor = vendor
        self._clock = clock
        self._faults = faults
        self._running: tuple[_Server, Thread] | None = None
        # Kept from the first start on: a vendor that was down comes back where it was.
        self._port = 0

    @property
    def url(self) -> str:
        if self._running is None:
            raise RuntimeError("the double is not running")
        return f"http://127.0.0.1:{self._running[0].server_port}"

    def start(self) -> None:
        server = _Server(self._vendor, self._clock, self._faults, self._port)
        self._port = server.server_port
        thread = Thread(target=server.serve_forever, args=(POLL_SECONDS,), name="double", daemon=True)
        thread.start()
        self._running = server, thread

    def stop(self) -> None:
        if self._running is None:
            return
        server, thread = self._running
        self._running = None
        server.shutdown()
        thread.join()
        server.drain()
