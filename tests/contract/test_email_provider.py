"""What every e-mail provider does, whichever vendor is behind it."""

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
from local.doubles.server import Fault
from nolapse.domain.messages import Email, Rendered
from nolapse.domain.outcomes import Accepted, NotFound, Rejected, RetrySafe, Unknown
from tests.contract.conftest import ANSWER_LOST, NO_ANSWER, TIMEOUT


class TestAccepted:
    def test_the_probe_finds_it_under_the_same_id(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        assert isinstance(outcome, Accepted)
        assert rig.provider.probe(rig.sought(email)) == outcome

    def test_what_arrives_is_what_was_meant(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(email)
        (received,) = rig.double.messages()
        assert received.to == email.to
        assert (received.sender, received.sender_name) == (email.sender, email.sender_name)
        assert Rendered(received.subject, received.html, received.text) == rig.vendor.carries(email.content)
        assert (received.key, received.attempt_id) == (email.key, email.attempt_id)
        assert received.message_id == outcome.message_id
        assert received.received_at == rig.clock.now

    @pytest.mark.parametrize(
        "text",
        [
            "שלום — مرحبا",
            "a\r\nBcc: someone@else.example",
            "\u2028\u0000\x7f",
            "-name- %name% {{name}} [%name%]",
            "x" * 300_000,
        ],
    )
    def test_no_text_is_altered(self, rig: Any, email: Email, text: str) -> None:
        content = Rendered(subject=f"Renewal {text[:200]}", html=f"<p>{text}</p>", text=text)
        assert isinstance(rig.provider.send(replace(email, content=content)), Accepted)
        (received,) = rig.double.messages()
        assert Rendered(received.subject, received.html, received.text) == rig.vendor.carries(content)

    def test_many_threads_share_one_provider(self, rig: Any, email: Email) -> None:
        provider = rig.provider
        emails = [replace(email, key=f"{number:064x}", attempt_id=str(number)) for number in range(64)]
        with ThreadPoolExecutor(16) as pool:
            outcomes = list(pool.map(provider.send, emails))
        assert {outcome.message_id for outcome in outcomes} == {
            got.message_id for got in rig.double.messages()
        }
        assert sorted(got.key for got in rig.double.messages()) == [email.key for email in emails]

    def test_over_tls(
        self, rig: Any, email: Email, secure_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert isinstance(rig.provider_at(secure_url, 10).send(email), Accepted)

    def test_no_proxy_of_the_environment_is_let_in(
        self, rig: Any, email: Email, closed_port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert isinstance(rig.provider.send(email), Accepted)


class TestNothingLeft:
    """Trying again can't duplicate: RetrySafe, and the vendor has seen nothing."""

    def test_refused_connection(self, rig: Any, email: Email, closed_port: int) -> None:
        outcome = rig.provider_at(f"http://127.0.0.1:{closed_port}", TIMEOUT).send(email)
        assert outcome == RetrySafe(f"{rig.provider.name}:ConnectionRefusedError")

    @pytest.mark.parametrize("host", ["nolapse.invalid", "a" * 64 + ".invalid"])
    def test_host_without_address(self, rig: Any, email: Email, host: str) -> None:
        assert isinstance(rig.provider_at(f"http://{host}", TIMEOUT).send(email), RetrySafe)

    def test_no_answer_to_the_connection(self, rig: Any, email: Email, blackhole: int) -> None:
        provider = rig.provider_at(f"http://127.0.0.1:{blackhole}", TIMEOUT)
        assert provider.send(email) == RetrySafe(f"{provider.name}:TimeoutError")

    def test_certificate_that_is_not_trusted(self, rig: Any, email: Email, secure_url: str) -> None:
        outcome = rig.provider_at(secure_url, 10).send(email)
        assert outcome == RetrySafe(f"{rig.provider.name}:SSLCertVerificationError")
        assert rig.double.messages() == []

    def test_no_tls_at_the_other_end(self, rig: Any, email: Email) -> None:
        provider = rig.provider_at(rig.double.url.replace("http:", "https:"), TIMEOUT)
        assert isinstance(provider.send(email), RetrySafe)
        assert rig.double.messages() == []

    @pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 429])
    def test_refusal_that_is_not_the_messages_fault(self, rig: Any, email: Email, status: int) -> None:
        rig.faults.inject(faults.answer(status))
        assert rig.provider.send(email) == RetrySafe(f"{rig.provider.name}:{status}")
        assert rig.double.messages() == []

    def test_trying_again_succeeds(self, rig: Any, email: Email) -> None:
        rig.faults.inject(faults.answer(429))
        assert isinstance(rig.provider.send(email), RetrySafe)
        assert isinstance(rig.provider.send(email), Accepted)


class TestTooFast:
    def delay(self, rig: Any, email: Email, **headers: str) -> timedelta | None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        rig.faults.inject(faults.answer(429, headers=named))
        outcome = rig.provider.send(email)
        assert isinstance(outcome, RetrySafe)
        return outcome.delay

    def test_seconds(self, rig: Any, email: Email) -> None:
        assert self.delay(rig, email, Retry_After="17") == timedelta(seconds=17)

    def test_date_by_the_vendors_own_clock(self, rig: Any, email: Email) -> None:
        until = format_datetime(rig.clock.now + timedelta(minutes=3), usegmt=True)
        assert self.delay(rig, email, Retry_After=until) == timedelta(minutes=3)

    def test_date_that_has_passed(self, rig: Any, email: Email) -> None:
        until = format_datetime(rig.clock.now - timedelta(minutes=3), usegmt=True)
        assert self.delay(rig, email, Retry_After=until) == timedelta(0)

    @pytest.mark.parametrize("value", ["", "soon", "-5", "9" * 30, "Mon, 99 Foo 2026", "²"])
    def test_nonsense(self, rig: Any, email: Email, value: str) -> None:
        assert self.delay(rig, email, Retry_After=value.encode().decode("latin-1")) is None


class TestAnswerLost:
    """Whether the message was taken can't be told from the answer: Unknown, and the probe knows."""

    @pytest.mark.parametrize(("fault", "taken"), ANSWER_LOST)
    def test_unknown_until_the_probe(self, rig: Any, email: Email, fault: Fault, taken: int) -> None:
        rig.faults.inject(fault)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(email)
        assert isinstance(outcome, Unknown)
        assert len(rig.double.messages()) == taken
        found = rig.provider.probe(rig.sought(email))
        assert isinstance(found, Accepted if taken else NotFound)

    def test_a_success_that_is_not_the_vendors(self, rig: Any, email: Email) -> None:
        for number, fault in enumerate(rig.vendor.unconfirmed):
            rig.faults.inject(fault)
            attempt = replace(email, key=f"{number:064x}")
            assert isinstance(rig.provider.send(attempt), Unknown)
            assert isinstance(rig.provider.probe(rig.sought(attempt)), Accepted)

    def test_a_redirect_does_not_take_the_key_along(self, rig: Any, email: Email) -> None:
        with socket.create_server(("127.0.0.1", 0)) as elsewhere:
            elsewhere.setblocking(False)
            location = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/"
            rig.faults.inject(faults.answer(302, headers={"Location": location}))
            assert isinstance(rig.provider_at(rig.double.url, TIMEOUT).send(email), Unknown)
            with pytest.raises(BlockingIOError):
                elsewhere.accept()

    @pytest.mark.parametrize("location", ["http://[", "http://elsewhere:port/", "file:///etc/hostname"])
    def test_a_redirect_to_nowhere(self, rig: Any, email: Email, location: str) -> None:
        rig.faults.inject(faults.answer(302, headers={"Location": location}))
        assert isinstance(rig.provider.send(email), Unknown)


class TestRejected:
    def test_address_that_is_none(self, rig: Any, email: Email) -> None:
        outcome = rig.provider.send(replace(email, to="ana at clinic"))
        assert isinstance(outcome, Rejected)
        assert "ana" not in outcome.code
        assert rig.double.messages() == []

    @pytest.mark.parametrize("status", [400, 413])
    def test_by_status(self, rig: Any, email: Email, status: int) -> None:
        rig.faults.inject(faults.answer(status))
        assert rig.provider.send(email) == Rejected(f"{rig.provider.name}:{status}")


class TestProbe:
    def test_nothing_sent(self, rig: Any, email: Email) -> None:
        assert rig.provider.probe(rig.sought(email)) == NotFound()

    def test_another_key_to_the_same_person(self, rig: Any, email: Email, another: Email) -> None:
        rig.provider.send(another)
        assert rig.provider.probe(rig.sought(email)) == NotFound()

    @pytest.mark.parametrize(
        "fault",
        [
            *NO_ANSWER,
            *(
                faults.answer(200, body=body)
                for body in (
                    *({"messages": [{}]}, {"messages": [1]}, {"messages": None}),
                    *(
                        {"value": [{}]},
                        {"value": [1]},
                        {"value": None},
                        {"value": [{"id": "1", "isDraft": None}]},
                    ),
                    *({"items": [{}]}, {"items": [1]}, {"items": None}),
                )
            ),
        ],
    )
    def test_no_answer_is_not_not_found(self, rig: Any, email: Email, fault: Fault) -> None:
        rig.provider.send(email)
        rig.faults.inject(fault)
        found = rig.provider_at(rig.double.url, TIMEOUT).probe(rig.sought(email))
        assert isinstance(found, Unknown)

    def test_refused_connection(self, rig: Any, email: Email, closed_port: int) -> None:
        provider = rig.provider_at(f"http://127.0.0.1:{closed_port}", TIMEOUT)
        assert provider.probe(rig.sought(email)) == Unknown(f"{provider.name}:ConnectionRefusedError")


class TestDiscretion:
    """No address, text or secret in an outcome or a log, whatever the vendor says and whoever listens."""

    @pytest.fixture(autouse=True)
    def everything_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)

    def assert_discreet(self, rig: Any, email: Email, said: str) -> None:
        private = [
            email.to,
            email.to.partition("@")[0],
            "clinic.example",
            email.content.subject,
            "4821",
            rig.secret,
        ]
        assert [word for word in private if word in said] == []

    @pytest.mark.parametrize("status", [400, 401, 413, 429, 500])
    @pytest.mark.parametrize("quoted", ["to", "subject", "secret"])
    def test_a_vendor_that_quotes(
        self, rig: Any, email: Email, caplog: pytest.LogCaptureFixture, status: int, quoted: str
    ) -> None:
        words = {"to": email.to, "subject": email.content.subject, "secret": rig.secret}[quoted]
        body = {"errors": [{"message": f"no: {words}", "field": words, "help": words}], "message": words}
        rig.faults.inject(faults.answer(status, body=body), faults.answer(status, body=body))
        outcomes = rig.provider.send(email), rig.provider.probe(rig.sought(email))
        self.assert_discreet(rig, email, repr(outcomes) + caplog.text)

    @pytest.mark.parametrize("fault", [fault for fault, _ in ANSWER_LOST])
    def test_when_the_answer_is_lost(
        self, rig: Any, email: Email, caplog: pytest.LogCaptureFixture, fault: Fault
    ) -> None:
        rig.faults.inject(fault)
        outcome = rig.provider_at(rig.double.url, TIMEOUT).send(email)
        self.assert_discreet(rig, email, repr(outcome) + caplog.text)

    def test_when_all_goes_well(
        self, rig: Any, email: Email, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        outcomes = rig.provider.send(email), rig.provider.probe(rig.sought(email))
        self.assert_discreet(rig, email, repr(outcomes) + caplog.text + "".join(capfd.readouterr()))


def test_the_protocol_alone_imports_no_vendor() -> None:
    check = "import sys, nolapse.providers.protocol; print({'sendgrid', 'msal'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", check], text=True).strip() == "set()"
