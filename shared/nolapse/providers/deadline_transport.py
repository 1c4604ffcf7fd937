"""urllib with one deadline over the whole exchange, that tells "never connected" from "lost afterwards".

Alone, urllib starts its timeout again with every address tried and every byte read, and wraps a refused
connection and a broken pipe in the same URLError. Proxies from the environment and redirects are left
out: settings alone say where a message goes, and a redirected request would take the API key along.
Name resolution is the system resolver's and keeps its own time.
"""

import io
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, IncompleteRead
from typing import IO, Any
from urllib.error import HTTPError

# Of an answer's body, in bytes: whoever answers must not fill our memory.
_MOST = 8 * 1024 * 1024


class ConnectError(Exception):
    """No connection was made (name, refusal, timeout, TLS): not a byte of the request has left."""

    def __init__(self, host: str, port: int, reason: Exception) -> None:
        super().__init__(f"no connection to {host}:{port}: {type(reason).__name__}")
        self.reason = reason


class ForbiddenAddress(OSError):
    """The host resolves to an address that it must not."""


class Deadline:
    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; raises TimeoutError when none are left."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _DeadlineReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(self._deadline.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineSocket:
    """As much of a socket as http.client uses."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock, self._deadline))

    def close(self) -> None:
        self._sock.close()


def _dial(host: str, port: int, deadline: Deadline, permitted: Callable[[str], bool] | None) -> socket.socket:
    """The first address that answers; every address gets an equal share of the time that is left."""
    failure: OSError = OSError("no address")
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if permitted and not all(permitted(str(address[0])) for *_, address in addresses):
        raise ForbiddenAddress
    for tried, (*_, address) in enumerate(addresses):
        share = deadline.left() / (len(addresses) - tried)
        try:
            sock = socket.create_connection((str(address[0]), port), share)
        except OSError as error:
            failure = error
        else:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure


def _secure(sock: socket.socket, context: ssl.SSLContext, host: str, deadline: Deadline) -> ssl.SSLSocket:
    try:
        sock.settimeout(deadline.left())
        return context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


class _Connection(HTTPConnection):
    timeout: float

    def __init__(
        self,
        *address: Any,
        context: ssl.SSLContext | None = None,
        permitted: Callable[[str], bool] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*address, **options)
        self._context = context
        self._permitted = permitted

    def connect(self) -> None:
        deadline = Deadline(self.timeout)
        try:
            sock = _dial(self.host, self.port, deadline, self._permitted)
            if self._context is not None:
                sock = _secure(sock, self._context, self.host, deadline)
        except (OSError, UnicodeError) as error:  # UnicodeError: a host that IDNA can't encode
            # Not an OSError, so that urllib passes it on as it is.
            raise ConnectError(self.host, self.port, error) from error
        self.sock = _DeadlineSocket(sock, deadline)


class _SecureConnection(_Connection):
    default_port = 443


class _PlainHandler(urllib.request.HTTPHandler):
    def __init__(self, permitted: Callable[[str], bool] | None) -> None:
        super().__init__()
        self._permitted = permitted

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_Connection, req, permitted=self._permitted)


class _SecureHandler(urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext, permitted: Callable[[str], bool] | None) -> None:
        super().__init__(context=context)
        self._shared_context = context
        self._permitted = permitted

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_SecureConnection, req, context=self._shared_context, permitted=self._permitted)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def http_error_302(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage
    ) -> None:
        """None leaves the 3xx to the default handler, which raises it as an HTTPError: where it points is not read."""

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def build_opener(permitted: Callable[[str], bool] | None = None) -> urllib.request.OpenerDirector:
    """Open it with a timeout in seconds: ConnectError before a byte left, OSError or HTTPException after.

    Reading the certificate store takes milliseconds, so keep the opener; threads may share it.
    `permitted` sees every address that a host resolves to, before the connection to that very address;
    one that it refuses is a ConnectError for a ForbiddenAddress.
    """
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        _PlainHandler(permitted),
        _SecureHandler(ssl.create_default_context(), permitted),
        _NoRedirects(),
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said, whether it took the request or not."""

    status: int
    headers: Message
    body: bytes


def exchange(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float
) -> Answer:
    """Raises as the opener does, but for an error status, which is an answer like any other."""
    try:
        with opener.open(request, timeout=timeout) as response:
            return Answer(response.status, response.headers, _whole(response))
    except HTTPError as error:
        with error:
            return Answer(error.code, error.headers, _whole(error.fp))


def _whole(response: Any) -> bytes:
    body: bytes = response.read(_MOST)
    if response.length:  # cut short, or more than anybody has to say
        raise IncompleteRead(body, response.length)
    return body
