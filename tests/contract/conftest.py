"""Every e-mail provider, each over its real SDK and against its vendor's double on loopback."""

import datetime as dt
import ipaddress
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from local.doubles import faults
from local.doubles.double import Double
from local.doubles.faults import FaultQueue
from local.doubles.graph import GraphDouble
from local.doubles.graph_directory import Directory
from local.doubles.mailgun import MailgunDouble
from local.doubles.sendgrid import SendGridDouble
from local.doubles.server import Fault
from nolapse.domain.messages import Email, Rendered, Sought
from nolapse.providers.graph import Graph, GraphApplication
from nolapse.providers.mailgun import Mailgun
from nolapse.providers.protocol import EmailProvider
from nolapse.providers.sendgrid import SendGrid

SECRET = "SG.contract-secret"
SENDER = "reminders@nolapse.example"
TIMEOUT = 0.6

# Each with how many messages the vendor has taken all the same.
ANSWER_LOST: list[tuple[Fault, int]] = [
    (faults.reset_unread, 0),
    (faults.reset_after_accept, 1),
    (faults.close_after_accept, 1),
    (faults.hang_after_accept, 1),
    (faults.garble_after_accept, 1),
    (faults.trickle(TIMEOUT / 10), 1),
    (faults.delay(3 * TIMEOUT), 1),
    (faults.cut_short_after_accept, 1),
    (faults.answer(500), 0),
    (faults.answer(503), 0),
    (faults.accept_then_answer(502), 1),
    (faults.answer(302, headers={"Location": "/elsewhere"}), 0),
]

# None of them says whether the message is there.
NO_ANSWER: list[Fault] = [
    faults.reset_unread,
    faults.hang_after_accept,
    faults.trickle(TIMEOUT / 10),
    faults.garble_after_accept,
    faults.cut_short_after_accept,
    *(faults.answer(status) for status in (302, 400, 401, 403, 404, 429, 500, 503)),
    *(faults.answer(200, body=body) for body in (None, [], {}, "")),
]


@dataclass(frozen=True)
class Vendor:
    """`decisive` is where the suite's faults happen: the requests that send, and those that look for what was sent.

    `unconfirmed` are successes that are not the vendor's; `carries` is what it takes of a message.
    """

    double: Callable[..., Double]
    provider: Callable[[str, float], EmailProvider]
    unconfirmed: tuple[Fault, ...]
    decisive: str = ""
    carries: Callable[[Rendered], Rendered] = lambda content: content


VENDORS = {
    "graph": Vendor(
        partial(GraphDouble, directory=Directory("contoso", "app", SECRET), mailboxes=[SENDER]),
        lambda host, timeout: Graph(GraphApplication(f"{host}/contoso", "app", SECRET, host), timeout),
        unconfirmed=(faults.accept_then_answer(200), faults.accept_then_answer(204)),
        decisive="POST .*/send$|GET .*/messages",
        carries=lambda content: replace(content, text=""),
    ),
    "mailgun": Vendor(
        partial(MailgunDouble, domain="nolapse.example", api_key=SECRET),
        lambda host, timeout: Mailgun(SECRET, "nolapse.example", host, timeout),
        unconfirmed=(faults.accept_then_answer(202), faults.accept_then_answer(200)),
    ),
    "sendgrid": Vendor(
        SendGridDouble,
        lambda host, timeout: SendGrid(SECRET, host, timeout),
        unconfirmed=(faults.accept_then_answer(202), faults.accept_then_answer(200)),
    ),
}


@dataclass
class Clock:
    now: dt.datetime = dt.datetime(2026, 3, 1, 14, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now


@dataclass
class Rig:
    """A provider wired to its vendor's double; `provider_at` wires another to any address."""

    double: Any
    vendor: Vendor
    clock: Clock
    faults: FaultQueue
    secret: str = field(default=SECRET, repr=False)

    def provider_at(self, url: str, timeout: float) -> EmailProvider:
        return self.vendor.provider(url, timeout)

    @cached_property
    def provider(self) -> EmailProvider:
        return self.provider_at(self.double.url, 10)

    def sought(self, email: Email, since: dt.datetime | None = None, handle: str | None = None) -> Sought:
        return Sought(
            key=email.key,
            attempt_id=email.attempt_id,
            to=email.to,
            since=since or self.clock.now,
            sender=email.sender,
            body_sha256=sha256(email.content.text.encode()).digest(),
            handle=handle,
        )


@pytest.fixture(params=sorted(VENDORS))
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    vendor = VENDORS[request.param]
    clock, queue = Clock(), FaultQueue(at=vendor.decisive)
    with vendor.double(tmp_path / "double.sqlite", clock, queue) as double:
        yield Rig(double, vendor, clock, queue)


@pytest.fixture
def email() -> Email:
    content = Rendered(
        subject="Pending renewal 🩺 — “café”",
        html="<p>License ending 4821 <b>expires</b> on 30 May 2026 &amp; naïve “quotes” 😀</p>",
        text='License ending 4821\nexpires on 30 May 2026, "naïve" 😀\n',
    )
    return Email(
        to="ana.o'brien+licences@clinic.example",
        sender=SENDER,
        sender_name="Nolapse, Clínica “Ñ”",
        key="5f" * 32,
        attempt_id="0198f0c2-7d1a-7c3e-9b7e-3a1f6f0c2d4e",
        content=content,
    )


@pytest.fixture
def another(email: Email) -> Email:
    return replace(email, key="ab" * 32, attempt_id="0198f0c2-7d1a-7c3e-9b7e-000000000000")


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def blackhole() -> Iterator[int]:
    """A port whose queue of unaccepted connections is full: Linux drops every further SYN."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(server.getsockname())
        yield server.getsockname()[1]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "contract suite")])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem)
    return path


@pytest.fixture
def secure_url(rig: Rig, certificate: Path) -> Iterator[str]:
    """The double behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    backend = urlsplit(rig.double.url).port
    assert backend is not None
    with tls_relay(context, backend) as port:
        yield f"https://127.0.0.1:{port}"


@contextmanager
def tls_relay(context: ssl.SSLContext, backend: int) -> Iterator[int]:
    """Takes one connection after the other, and passes on one request of each and its answer."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                plain, _ = server.accept()
                with suppress(OSError), closing(context.wrap_socket(plain, server_side=True)) as client:
                    relay(client, backend)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def relay(client: ssl.SSLSocket, backend: int) -> None:
    """By one thread: OpenSSL's connections are not for two at once."""
    with socket.create_connection(("127.0.0.1", backend), 20) as vendor:
        while True:
            ready = [client] if client.pending() else select.select([client, vendor], [], [], 20)[0]
            for source in ready:
                client.setblocking(False)  # what came may be of TLS's own, and nothing to read
                try:
                    data = source.recv(65_536)
                except ssl.SSLWantReadError:
                    continue
                client.settimeout(20)
                if not data:
                    return
                (vendor if source is client else client).sendall(data)
            if not ready:
                return
