"""What every provider that sends no e-mail does, whichever vendor is behind it."""

import logging
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.server import Exchange, Fault
from nolapse.domain.outcomes import Accepted, NotFound, Rejected, RetrySafe, Unknown
from tests.contract.conftest import ANSWER_LOST, TIMEOUT


class TestAccepted:
    def test_what_arrives_is_what_was_meant(self, rig: Any) -> None:
        assert isinstance(rig.provider.send(rig.message), Accepted)
        (received,) = rig.double.messages()
        assert rig.vendor.shown(received) == rig.vendor.shown(rig.message)
        assert received.received_at == rig.clock.now

    @pytest.mark.parametrize(
        "text",
        [
            "שלום — مرحبا",
            "a\r\nBcc: someone@else.example",
            "\u2028\u0000\x7f",
            "-name- %name% <b>&amp; *_bold_* +1 a=b&c=d",
            "x" * 1500,
        ],
    )
    def test_no_text_is_altered(self, rig: Any, text: str) -> None:
        message = rig.vendor.with_text(rig.message, text)
        assert isinstance(rig.provider.send(message), Accepted)
        (received,) = rig.double.messages()
        assert rig.vendor.shown(received) == rig.vendor.shown(message)

    def test_many_threads_share_one_provider(self, rig: Any) -> None:
        provider = rig.provider
        messages = [
            rig.vendor.with_text(replace(rig.message, key=f"{number:064x}"), f"message {number}")
            for number in range(64)
        ]
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(provider.send, messages))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert len({outcome.message_id for outcome in outcomes}) == len(messages)
        shown = sorted(map(str, map(rig.vendor.shown, rig.double.messages())))
        assert shown == sorted(map(str, map(rig.vendor.shown, messages)))

    def test_over_tls(
        self, rig: Any, secure_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert isinstance(rig.provider_at(secure_url, 10).send(rig.message), Accepted)

    def test_no_proxy_of_the_environment_is_let_in(
        self, rig: Any, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert isinstance(rig.provider.send(rig.message), Accepted)


class TestNothingLeft:
    """Trying again can't duplicate: RetrySafe, and the vendor has seen nothing."""

    def test_refused_connection(self, rig: Any, closed_port: int) -> None:
        outcome = rig.provider_at(f"http://127.0.0.1:{closed_port}", TIMEOUT).send(rig.message)
        assert outcome == RetrySafe(f"{rig.provider.name}:ConnectionRefusedError")

    @pytest.mark.parametrize("host", ["nolapse.invalid", "a" * 64 + ".invalid"])
    def test_host_without_address(self, rig: Any, host: str) -> None:
        assert isinstance(rig.provider_at(f"http://{host}", TIMEOUT).send(rig.message), RetrySafe)

    def test_no_answer_to_the_connection(self, rig: Any, blackhole: int) -> None:
        provider = rig.provider_at(f"http://127.0.0.1:{blackhole}", TIMEOUT)
        assert provider.send(rig.message) == RetrySafe(f"{provider.name}:TimeoutError")

    def test_certificate_that_is_not_trusted(self, rig: Any, secure_url: str) -> None:
        outcome = rig.provider_at(secure_url, 10).send(rig.message)
        assert outcome == RetrySafe(f"{rig.provider.name}:SSLCertVerificationError")
        assert rig.double.messages() == []

    def test_no_tls_at_the_other_end(self, rig: Any) -> None:
        provider = rig.provider_at(rig.double.url.replace("http:", "https:"), TIMEOUT)
        assert isinstance(provider.send(rig.message), RetrySafe)
        assert rig.double.messages() == []

    @pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 429])
    def test_refusal_that_is_not_the_messages_fault(self, rig: Any, status: int) -> None:
        rig.faults.inject(faults.answer(status))
        assert rig.provider.send(rig.message) == RetrySafe(f"{rig.provider.name}:{status}")
        assert rig.double.messages() == []

    def test_trying_again_succeeds(self, rig: Any) -> None:
        rig.faults.inject(faults.answer(429))
        assert isinstance(rig.provider.send(rig.message), RetrySafe)
        assert isinstance(rig.provider.send(rig.message), Accepted)


class TestTooFast:
    def delay(self, rig: Any, after: str) -> timedelta | None:
        rig.faults.inject(faults.answer(429, headers={"Retry-After": after}))
        outcome = rig.provider.send(rig.message)
        assert isinstance(outcome, RetrySafe)
        return outcome.delay

    def test_seconds(self, rig: Any) -> None:
        assert self.delay(rig, "17") == timedelta(seconds=17)

    def test_date_by_the_vendors_own_clock(self, rig: Any) -> None:
        until = format_datetime(rig.clock.now + timedelta(minutes=3), usegmt=True)
        assert self.delay(rig, until) == timedelta(minutes=3)

    @pytest.mark.parametrize(
        "after",
        ["soon", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", f"Mon, 01 Jan 2024 00:00:00 +{'9' * 14}", "9" * 20],
    )
    def test_nonsense(self, rig: Any, after: str) -> None:
        assert self.delay(rig, after) is None

    def test_for_ever(self, rig: Any) -> None:
        assert self.delay(rig, "Fri, 31 Dec 9999 23:59:59 GMT") == timedelta(days=7)


class TestAnswerLost:
    """Whether the message was taken can't be told from the answer."""

    @pytest.mark.parametrize(("fault", "taken"), ANSWER_LOST)
    def test_what_is_known_of_it(self, rig: Any, fault: Fault, taken: int) -> None:
        rig.faults.inject(fault)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(rig.message)
        assert isinstance(outcome, rig.lost())
        assert len(rig.double.messages()) == taken
        found = rig.provider.probe(rig.sought(rig.message))
        if rig.vendor.asks:
            assert isinstance(found, Accepted if taken else NotFound)
        elif rig.vendor.dedupes:
            assert found == NotFound()
            assert isinstance(rig.provider.send(rig.message), Accepted)
            assert len(rig.double.messages()) == 1
        else:
            assert found == Unknown(f"{rig.provider.name}:no-probe")

    @pytest.mark.parametrize("length", [b"Content-Length: 99999999999\r\n", b""])
    def test_an_answer_without_end(self, rig: Any, length: bytes) -> None:
        def flood(exchange: Exchange) -> None:
            exchange.process()
            exchange.write(b"HTTP/1.1 500 Oh no\r\n" + length + b"\r\n")
            for _ in range(12):
                exchange.write(bytes(1024 * 1024))

        rig.faults.inject(flood)
        assert isinstance(rig.provider.send(rig.message), rig.lost())

    @pytest.mark.parametrize("status", [200, 202])
    def test_a_status_alone(self, rig: Any, status: int) -> None:
        rig.faults.inject(faults.accept_then_answer(status))
        took = status in rig.vendor.took
        assert isinstance(rig.provider.send(rig.message), Accepted if took else Unknown)

    def test_a_redirect_takes_nothing_along(self, rig: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            elsewhere.setblocking(False)
            location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
            rig.faults.inject(faults.answer(302, headers={"Location": location}))
            assert isinstance(rig.provider_at(rig.double.url, TIMEOUT).send(rig.message), rig.lost())
            with pytest.raises(BlockingIOError):
                elsewhere.accept()

    @pytest.mark.parametrize("location", ["http://[", "http://elsewhere:port/", "file:///etc/hostname"])
    def test_a_redirect_to_nowhere(self, rig: Any, location: str) -> None:
        rig.faults.inject(faults.answer(302, headers={"Location": location}))
        assert isinstance(rig.provider.send(rig.message), rig.lost())


@pytest.mark.parametrize("rig", ["slack", "teams", "twilio-sms", "twilio-whatsapp"], indirect=True)
@pytest.mark.parametrize("status", [400, 413])
def test_rejected_by_status(rig: Any, status: int) -> None:
    rig.faults.inject(faults.answer(status))
    assert rig.provider.send(rig.message) == Rejected(f"{rig.provider.name}:{status}")


class TestDiscretion:
    """No number, text or secret in an outcome or a log, whatever the vendor says and whoever listens."""

    @pytest.fixture(autouse=True)
    def everything_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)

    def assert_discreet(self, rig: Any, said: str) -> None:
        private = ["2125550134", "2015550199", "4821", "tenant.invalid", rig.secret, rig.double.url, "Basic "]
        assert [word for word in private if word in said] == []

    @pytest.mark.parametrize("status", [400, 401, 413, 429, 500])
    @pytest.mark.parametrize("quoted", ["+12125550134", "License ending 4821", "secret"])
    def test_a_vendor_that_quotes(
        self, rig: Any, caplog: pytest.LogCaptureFixture, status: int, quoted: str
    ) -> None:
        words = rig.secret if quoted == "secret" else quoted
        body = {
            "code": words,
            "message": words,
            "more_info": words,
            "status": words,
            "error": {"code": words},
        }
        rig.faults.inject(faults.answer(status, body=body), faults.answer(status, body=body))
        outcomes = rig.provider.send(rig.message), rig.provider.probe(rig.sought(rig.message))
        self.assert_discreet(rig, repr(outcomes) + caplog.text)

    @pytest.mark.parametrize("fault", [fault for fault, _ in ANSWER_LOST])
    def test_when_the_answer_is_lost(self, rig: Any, caplog: pytest.LogCaptureFixture, fault: Fault) -> None:
        rig.faults.inject(fault)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(rig.message)
        self.assert_discreet(rig, repr(outcome) + caplog.text)

    def test_when_all_goes_well(
        self, rig: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        outcomes = rig.provider.send(rig.message), rig.provider.probe(rig.sought(rig.message))
        self.assert_discreet(rig, repr(outcomes) + caplog.text + "".join(capfd.readouterr()))


def test_the_protocol_alone_imports_no_vendor() -> None:
    check = (
        "import sys, nolapse.providers.protocol;"
        "print([m for m in sys.modules if m.startswith(('twilio', 'requests', 'standardwebhooks'))])"
    )
    assert subprocess.check_output([sys.executable, "-c", check], text=True).strip() == "[]"
