"""The double is as strict as the vendor, and loses nothing that it took."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from local.doubles import faults
from local.doubles.sendgrid import SendGridDouble
from tests.contract.wire import ask

NOW = datetime(2026, 3, 1, 14, tzinfo=UTC)
KEYS = ["aa" * 32, "bb" * 32]

SERVE = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from local.doubles.sendgrid import SendGridDouble
double = SendGridDouble(Path(sys.argv[1]), lambda: datetime.now(UTC))
double.start()
print(double.url, flush=True)
time.sleep(60)
"""


@pytest.fixture
def double(tmp_path: Path) -> Iterator[SendGridDouble]:
    with SendGridDouble(tmp_path / "double.sqlite", lambda: NOW) as double:
        yield double


def mail(to: str = "ana@clinic.example", category: str = KEYS[0]) -> dict[str, Any]:
    return {
        "personalizations": [{"to": [{"email": to}], "custom_args": {"key": category, "attempt_id": "1"}}],
        "from": {"email": "reminders@nolapse.example", "name": "Nolapse"},
        "subject": "Renewal",
        "content": [{"type": "text/plain", "value": "text"}, {"type": "text/html", "value": "<p>html</p>"}],
        "categories": [category],
    }


def post(url: str, document: object, **headers: str) -> tuple[int, Any]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    sent = {"Authorization": "Bearer SG.x", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    status, answer = ask(url, "POST", body, sent)
    return status, json.loads(answer or b"null")


def send(double: SendGridDouble, document: object, **headers: str) -> tuple[int, Any]:
    return post(f"{double.url}/v3/mail/send", document, **headers)


def search(double: SendGridDouble, query: str, **options: Any) -> list[str]:
    status, answer = post(f"{double.url}/v3/logs", {"query": query, **options})
    assert status == 200
    return [message["to_email"] for message in answer["messages"]]


def without(name: str) -> dict[str, Any]:
    return {field: value for field, value in mail().items() if field != name}


class TestValidation:
    @pytest.mark.parametrize(
        ("document", "field"),
        [
            (without("personalizations"), "personalizations"),
            (without("from"), "from"),
            (without("subject"), "subject"),
            (without("content"), "content"),
            (mail() | {"personalizations": [{"to": []}]}, "personalizations.0.to"),
            (mail() | {"personalizations": mail()["personalizations"] * 1001}, "personalizations"),
            (mail(to="ana"), "personalizations.0.to.0.email"),
            (mail(to="Ana <ana@clinic.example>"), "personalizations.0.to.0.email"),
            (mail() | {"from": {"name": "Nolapse"}}, "from.email"),
            (mail() | {"content": mail()["content"][::-1]}, "content"),
            (mail() | {"content": mail()["content"][:1] * 2}, "content"),
            (mail() | {"content": [{"type": "text/plain", "value": ""}]}, "content.0.value"),
            (mail() | {"categories": [str(number) for number in range(11)]}, "categories"),
            (mail() | {"categories": ["a", "a"]}, "categories"),
            (mail(category="c" * 256), "categories.0"),
            (mail() | {"headers": {"List-Unsubscribe": 1}}, "headers"),
            (mail() | {"headers": {"Subject": "another"}}, "headers.Subject"),
        ],
    )
    def test_names_the_field(self, double: SendGridDouble, document: object, field: str) -> None:
        status, answer = send(double, document)
        assert status == 400
        assert [error["field"] for error in answer["errors"]] == [field]
        assert double.messages() == []

    @pytest.mark.parametrize("authorization", ["", "Bearer ", "Basic SG.x"])
    def test_wants_a_key(self, double: SendGridDouble, authorization: str) -> None:
        assert send(double, mail(), Authorization=authorization)[0] == 401

    @pytest.mark.parametrize("document", [b"", b"{", b"[]", b"\xff"])
    def test_wants_an_object(self, double: SendGridDouble, document: bytes) -> None:
        assert send(double, document)[0] == 400

    def test_wants_json(self, double: SendGridDouble) -> None:
        assert send(double, mail(), Content_Type="text/plain")[0] == 415

    def test_knows_its_paths(self, double: SendGridDouble) -> None:
        assert post(f"{double.url}/v3/mail", mail())[0] == 404

    def test_is_not_idempotent(self, double: SendGridDouble) -> None:
        assert [send(double, mail())[0] for _ in range(2)] == [202, 202]
        first, second = double.messages()
        assert first.key == second.key
        assert first.message_id != second.message_id


class TestLogs:
    @pytest.fixture(autouse=True)
    def two_messages(self, double: SendGridDouble) -> None:
        send(double, mail("ana@clinic.example", KEYS[0]))
        send(double, mail("bob@clinic.example", KEYS[1]) | {"subject": "This AND that"})

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["ana", "bob"]),
            (f"categories IN ('{KEYS[1]}')", ["bob"]),
            (f"categories IN ('{KEYS[0]}', '{KEYS[1]}')", ["ana", "bob"]),
            (f"categories IN ('{KEYS[0]}') AND to_email = \"bob@clinic.example\"", []),
            (f"categories IN ('{KEYS[0]}') AND to_email='ana@clinic.example'", ["ana"]),
            ("to_email = 'ANA@clinic.example'", []),
            ('subject = "This AND that"', ["bob"]),
            ("status IN ('processed', 'delivered')", ["ana", "bob"]),
            ('sg_message_id_created_at >= TIMESTAMP "2026-03-01T14:00:00Z"', ["ana", "bob"]),
            ('sg_message_id_created_at < TIMESTAMP "2026-03-01T14:00:00Z"', []),
        ],
    )
    def test_query(self, double: SendGridDouble, query: str, found: list[str]) -> None:
        assert search(double, query) == [f"{name}@clinic.example" for name in found]

    def test_limit(self, double: SendGridDouble) -> None:
        assert search(double, "", limit=1) == ["ana@clinic.example"]

    @pytest.mark.parametrize(
        "search",
        [
            {"query": "custom_args = 'x'"},
            {"query": "categories = 'x'"},
            {"query": "to_email IN ('x')"},
            {"query": "to_email = 'x' OR to_email = 'y'"},
            {"query": "(to_email = 'x')"},
            {"query": "to_email = 'o'brien@clinic.example'"},
            {"query": 'sg_message_id_created_at > TIMESTAMP "yesterday"'},
            {"query": 7},
            {"query": "", "limit": 0},
            {"query": "", "limit": 1001},
        ],
    )
    def test_refuses(self, double: SendGridDouble, search: dict[str, Any]) -> None:
        assert post(f"{double.url}/v3/logs", search)[0] == 400


class TestDurability:
    @pytest.fixture
    def process(self, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
        command = [sys.executable, "-c", SERVE, str(tmp_path / "double.sqlite")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
            process.kill()

    def test_a_kill_in_the_middle_of_sending_loses_nothing(
        self, tmp_path: Path, process: tuple[subprocess.Popen[str], str]
    ) -> None:
        server, url = process
        accepted: list[str] = []
        senders = [
            Thread(target=send_until_it_dies, args=(url, name, accepted)) for name in ("ana", "bob", "eva")
        ]
        for sender in senders:
            sender.start()
        while len(accepted) < 60:
            time.sleep(0.01)
        server.send_signal(signal.SIGKILL)
        for sender in senders:
            sender.join()
        kept = [message.to for message in SendGridDouble(tmp_path / "double.sqlite", lambda: NOW).messages()]
        assert set(accepted) <= set(kept)
        assert len(kept) == len(set(kept)) <= len(accepted) + len(senders)

    def test_another_process_reads_while_it_writes(
        self, tmp_path: Path, process: tuple[subprocess.Popen[str], str]
    ) -> None:
        _, url = process
        reader = SendGridDouble(tmp_path / "double.sqlite", lambda: NOW)
        for number in range(5):
            post(f"{url}/v3/mail/send", mail())
            assert len(reader.messages()) == number + 1


def send_until_it_dies(url: str, name: str, accepted: list[str]) -> None:
    for number in range(100_000):
        address = f"{name}{number}@clinic.example"
        try:
            status, _ = post(f"{url}/v3/mail/send", mail(address))
        except OSError:
            return
        assert status == 202
        accepted.append(address)


class TestLifecycle:
    def test_it_starts_again_with_what_it_had(self, tmp_path: Path) -> None:
        double = SendGridDouble(tmp_path / "double.sqlite", lambda: NOW)
        for expected in (1, 2):
            with double:
                send(double, mail())
            assert len(double.messages()) == expected

    def test_it_has_no_url_when_stopped(self, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError):
            _ = SendGridDouble(tmp_path / "double.sqlite", lambda: NOW).url

    def test_stopping_lets_the_request_under_way_finish(self, tmp_path: Path) -> None:
        queue = faults.FaultQueue()
        queue.inject(faults.delay(30))
        answers: list[tuple[int, Any]] = []
        with SendGridDouble(tmp_path / "double.sqlite", lambda: NOW, queue) as double:
            client = Thread(target=lambda: answers.append(send(double, mail())))
            client.start()
            wait_until(lambda: len(double.messages()) == 1)
        client.join(5)
        assert [status for status, _ in answers] == [202]

    def test_the_log_forgets_after_30_days(self, tmp_path: Path) -> None:
        now = NOW
        with SendGridDouble(tmp_path / "double.sqlite", lambda: now) as double:
            send(double, mail())
            now = NOW + timedelta(days=30)
            assert search(double, "") == []
        assert len(double.messages()) == 1


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError
