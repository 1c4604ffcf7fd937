"""The double is as strict as the vendor."""

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from local.doubles.mailgun import MailgunDouble
from tests.contract.wire import ask

NOW = datetime(2026, 3, 1, 14, tzinfo=UTC)
MAIL = {"from": "Nolapse <r@nolapse.example>", "to": "ana@clinic.example", "subject": "R", "text": "text"}
TAG = "5f" * 32


@pytest.fixture
def double(tmp_path: Path) -> Iterator[MailgunDouble]:
    with MailgunDouble(tmp_path / "d.sqlite", lambda: NOW, domain="nolapse.example", api_key="key") as double:
        yield double


def post(url: str, body: bytes, content_type: str, key: str = "key") -> tuple[int, Any]:
    authorization = "Basic " + b64encode(f"api:{key}".encode()).decode()
    status, answer = ask(url, "POST", body, {"Authorization": authorization, "Content-Type": content_type})
    return status, json.loads(answer) if status == 200 else answer


def form(fields: list[tuple[str, str]]) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    ]
    return ("".join(parts) + "--b--\r\n").encode()


def send(double: MailgunDouble, *more: tuple[str, str], **fields: str) -> int:
    given = [(name, value) for name, value in {**MAIL, **fields}.items() if value] + list(more)
    url = f"{double.url}/v3/nolapse.example/messages"
    return post(url, form(given), "multipart/form-data; boundary=b")[0]


def search(double: MailgunDouble, **search: Any) -> tuple[int, Any]:
    return post(f"{double.url}/v1/analytics/logs", json.dumps(search).encode(), "application/json")


def tagged(tag: str, comparator: str = "=", attribute: str = "tag") -> dict[str, Any]:
    condition = {"attribute": attribute, "comparator": comparator, "values": [{"label": tag, "value": tag}]}
    return {"AND": [condition]}


class TestMessages:
    def test_is_not_idempotent(self, double: MailgunDouble) -> None:
        assert [send(double), send(double)] == [200, 200]
        first, second = double.messages()
        assert first.message_id != second.message_id

    @pytest.mark.parametrize("name", ["from", "to", "subject", "text"])
    def test_wants(self, double: MailgunDouble, name: str) -> None:
        assert send(double, **{name: ""}) == 400

    @pytest.mark.parametrize(
        "more",
        [
            [("o:unknown", "x")],
            [("tracking", "no")],
            [("subject", "again")],
            [("o:tag", "t" * 129)],
            [("o:tag", "é")],
            [("o:tag", str(number)) for number in range(4)],
            [("o:tracking", "maybe")],
            [("v:much", "x" * 16_385)],
            [("cc", "ana at clinic")],
        ],
    )
    def test_refuses(self, double: MailgunDouble, more: list[tuple[str, str]]) -> None:
        assert send(double, *more) == 400
        assert double.messages() == []

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"from=a", "application/x-www-form-urlencoded"),
            (form(list(MAIL.items())), "multipart/form-data"),
            (form(list(MAIL.items())), "multipart/form-data; boundary=c"),
            (form(list(MAIL.items()))[:-6], "multipart/form-data; boundary=b"),
            (b"", "multipart/form-data; boundary=b"),
        ],
    )
    def test_wants_a_form(self, double: MailgunDouble, body: bytes, content_type: str) -> None:
        assert post(f"{double.url}/v3/nolapse.example/messages", body, content_type)[0] == 400

    def test_wants_its_key_and_its_domain(self, double: MailgunDouble) -> None:
        body, content_type = form(list(MAIL.items())), "multipart/form-data; boundary=b"
        assert post(f"{double.url}/v3/nolapse.example/messages", body, content_type, "other")[0] == 401
        assert post(f"{double.url}/v3/other.example/messages", body, content_type)[0] == 404


class TestLogs:
    def test_filter(self, double: MailgunDouble) -> None:
        send(double, ("o:tag", TAG))
        send(double, ("o:tag", "other"), to="bob@clinic.example")
        found = [search(double, filter=tagged(tag))[1]["items"] for tag in (TAG, "other", "none")]
        assert [[item["recipient"] for item in items] for items in found] == [
            ["ana@clinic.example"],
            ["bob@clinic.example"],
            [],
        ]

    def test_time(self, double: MailgunDouble) -> None:
        send(double)
        later = format_datetime(NOW + timedelta(hours=1))
        earlier = format_datetime(NOW - timedelta(hours=1))
        assert len(search(double, start=earlier)[1]["items"]) == 1
        assert search(double, start=earlier, end=earlier)[1]["items"] == []
        assert search(double, start=later)[0] == 400

    @pytest.mark.parametrize(
        "asked",
        [
            {"query": "x"},
            {"filter": tagged(TAG, comparator="like")},
            {"filter": tagged(TAG, attribute="user-variables")},
            {"start": "2026-03-01T14:00:00Z"},
            {"pagination": {"limit": 0}},
            {"pagination": {"limit": 101}},
            {"events": ["sent"]},
        ],
    )
    def test_refuses(self, double: MailgunDouble, asked: dict[str, Any]) -> None:
        assert search(double, **asked)[0] == 400
