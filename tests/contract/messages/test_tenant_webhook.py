"""What is its own in the webhook to tenants: signatures, rotation, and targets that are none of theirs."""

import json
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from local.doubles import faults
from local.doubles.server import Exchange, Request
from local.doubles.tenant_endpoint import TenantEndpointDouble
from nolapse.domain.messages import Sought
from nolapse.domain.outcomes import Accepted, NotFound, Rejected, RetrySafe
from nolapse.providers.tenant_webhook import TenantWebhook
from tests.contract.conftest import Clock, tls_relay
from tests.contract.messages.conftest import CALLBACK, KEY, SECRETS

on_rig = pytest.mark.parametrize("rig", ["tenant-webhook"], indirect=True)

SECRET = SECRETS["tenant-webhook"]
NEXT = "whsec_dGhlIG5leHQgc2VjcmV0IG9mIHRoZSBzYW1lIG9uZQ=="


def provider(*secrets: str, now: datetime | None = None, only_public: bool = False) -> TenantWebhook:
    return TenantWebhook(
        lambda _tenant: secrets or [SECRET], 10, Clock(now) if now else Clock(), only_public=only_public
    )


def seen_by(rig: Any, sender: TenantWebhook) -> Request:
    seen: list[Request] = []

    def look(exchange: Exchange) -> None:
        seen.append(exchange.read())
        exchange.reset()

    rig.faults.inject(look)
    sender.send(replace(CALLBACK, url=rig.double.url))
    return seen[0]


@on_rig
class TestSignature:
    def test_the_library_verifies_it(self, rig: Any) -> None:
        request = seen_by(rig, provider(now=datetime.now(UTC)))
        payload = Webhook(SECRET).verify(request.body, dict(request.headers.items()))
        assert payload == {**CALLBACK.payload, "timestamp": "2026-03-01T13:59:00Z"}

    def test_headers(self, rig: Any) -> None:
        headers = seen_by(rig, provider()).headers
        assert headers["webhook-id"] == KEY
        assert headers["webhook-timestamp"] == str(int(rig.clock.now.timestamp()))
        assert headers["Content-Type"] == "application/json"

    def test_by_any_zones_clock(self, rig: Any) -> None:
        elsewhere = rig.clock.now.astimezone(datetime.fromisoformat("2026-03-01T00:00+09:00").tzinfo)
        sender = provider(now=elsewhere)
        assert isinstance(sender.send(replace(CALLBACK, url=rig.double.url)), Accepted)

    def test_each_try_is_dated_anew_and_says_the_same(self, rig: Any) -> None:
        for _ in range(2):
            assert isinstance(rig.provider.send(CALLBACK), Accepted)
            rig.clock.now += timedelta(minutes=30)
        first, second = rig.double.tries()
        assert second.signed_at - first.signed_at == timedelta(minutes=30)
        assert (first.key, first.payload) == (second.key, second.payload)
        assert len(rig.double.messages()) == 1

    @pytest.mark.parametrize("known", [[SECRET], [NEXT], [NEXT, SECRET]])
    def test_while_secrets_rotate_either_will_do(self, rig: Any, tmp_path: Path, known: list[str]) -> None:
        with TenantEndpointDouble(tmp_path / "rotating.sqlite", rig.clock, keys=known) as double:
            assert isinstance(provider(NEXT, SECRET).send(replace(CALLBACK, url=double.url)), Accepted)

    def test_a_secret_that_the_tenant_does_not_know(self, rig: Any) -> None:
        outcome = provider(NEXT).send(replace(CALLBACK, url=rig.double.url))
        assert outcome == RetrySafe("tenant-webhook:401")
        assert rig.double.messages() == []

    def test_a_signature_that_is_too_old(self, rig: Any) -> None:
        sender = provider(now=rig.clock.now - timedelta(minutes=6))
        assert sender.send(replace(CALLBACK, url=rig.double.url)) == RetrySafe("tenant-webhook:401")

    def test_a_body_changed_on_the_way(self, rig: Any) -> None:
        request = seen_by(rig, provider())
        altered = json.loads(request.body) | {"type": "notification.failed"}
        signatures = request.headers["webhook-signature"].split()
        assert Webhook(SECRET).sign(KEY, rig.clock.now, request.body.decode()) in signatures
        assert Webhook(SECRET).sign(KEY, rig.clock.now, json.dumps(altered)) not in signatures

    @pytest.mark.parametrize(("secrets", "why"), [([], "no-secret"), (["whsec_"], "bad-secret")])
    def test_without_a_secret_nothing_is_sent_until_there_is_one(
        self, rig: Any, secrets: list[str], why: str
    ) -> None:
        kept = {CALLBACK.tenant: secrets}
        sender = TenantWebhook(kept.__getitem__, 10, rig.clock, only_public=False)
        callback = replace(CALLBACK, url=rig.double.url)
        assert sender.send(callback) == RetrySafe(f"tenant-webhook:{why}")
        assert rig.double.messages() == []
        kept[CALLBACK.tenant] = [SECRET]
        assert isinstance(sender.send(callback), Accepted)


@on_rig
class TestAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    def test_taken(self, rig: Any, status: int) -> None:
        rig.faults.inject(faults.answer(status))
        assert rig.provider.send(CALLBACK) == Accepted(KEY)

    def test_gone_for_good(self, rig: Any) -> None:
        rig.faults.inject(faults.answer(410))
        assert rig.provider.send(CALLBACK) == Rejected("tenant-webhook:410")

    @pytest.mark.parametrize("status", [301, 400, 409, 413, 422, 500, 502, 504])
    def test_anything_else_is_sent_again(self, rig: Any, status: int) -> None:
        rig.faults.inject(faults.answer(status))
        assert rig.provider.send(CALLBACK) == RetrySafe(f"tenant-webhook:{status}")

    def test_busy(self, rig: Any) -> None:
        rig.faults.inject(faults.answer(503, headers={"Retry-After": "120"}))
        assert rig.provider.send(CALLBACK) == RetrySafe("tenant-webhook:503", timedelta(minutes=2))

    def test_a_lost_try_is_sent_again_without_asking(self, rig: Any) -> None:
        sought = Sought(key=KEY, attempt_id="1", to="", since=rig.clock.now)
        assert provider().probe(sought) == NotFound()


class TestTarget:
    """A tenant's setting must not make us knock at our own doors."""

    @pytest.mark.parametrize(
        "url",
        [
            "http://tenant.example/",
            "ftp://tenant.example/",
            "file:///etc/hostname",
            "//tenant.example/",
            "tenant.example",
            "https://",
            "https:///path",
            "https://[::1",
            "https://tenant.example:port/",
            "https://user@tenant.example/",
            "https://tenant.example/\r\nHost: other",
            "https://tenant.example/ü",
            "",
        ],
    )
    def test_is_https_without_tricks(self, url: str) -> None:
        outcome = provider(only_public=True).send(replace(CALLBACK, url=url))
        assert outcome == Rejected("tenant-webhook:bad-target")

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "127.1",
            "2130706433",
            "0x7f000001",
            "169.254.169.254",
            "10.0.0.1",
        ],
    )
    def test_is_public(self, host: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            url = f"https://{host}:{server.getsockname()[1]}/"
            outcome = provider(only_public=True).send(replace(CALLBACK, url=url))
            assert outcome == Rejected("tenant-webhook:ForbiddenAddress")
            with pytest.raises(BlockingIOError):
                server.accept()

    def test_one_public_address_among_others_does_not_help(self, monkeypatch: pytest.MonkeyPatch) -> None:
        resolve(monkeypatch, "8.8.8.8", "10.0.0.1")
        outcome = provider(only_public=True).send(replace(CALLBACK, url="https://tenant.example/"))
        assert outcome == Rejected("tenant-webhook:ForbiddenAddress")

    @on_rig
    def test_the_address_that_was_checked_is_the_one_dialled(
        self, rig: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name may resolve to something else a moment later: it is asked once."""
        names = resolve(monkeypatch, "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        asked: list[str | None] = []
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with tls_relay(context, int(rig.double.url.split(":")[2].split("/")[0])) as port:
            outcome = provider().send(replace(CALLBACK, url=f"https://tenant.example:{port}/nolapse"))
        assert names == ["tenant.example"]
        # The name is still the one that the certificate must have, and this one has 127.0.0.1 alone.
        assert asked == ["tenant.example"]
        assert outcome == RetrySafe("tenant-webhook:SSLCertVerificationError")


def resolve(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Makes every name resolve so; returns those that were asked for."""
    names: list[str] = []
    real = socket.getaddrinfo

    def answer(host: str, port: int, *_: object, **__: object) -> list[Any]:
        if host in addresses:
            return real(host, port, type=socket.SOCK_STREAM)
        names.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return names
