"""The double is as strict as the vendor: what it takes, and what becomes of ids."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from local.doubles.graph import GraphDouble
from local.doubles.graph_directory import Directory
from tests.contract.wire import ask

NOW = datetime(2026, 3, 1, 14, tzinfo=UTC)
SENDER, OTHER = "reminders@nolapse.example", "other@nolapse.example"
KEY = "String {6a1f0c52-93d4-4b7e-8e0b-5d2c7f4b9a31} Name nolapse-key"
IMMUTABLE = 'IdType="ImmutableId"'
MESSAGE = {
    "subject": "Renewal",
    "body": {"contentType": "html", "content": "<p>html</p>"},
    "from": {"emailAddress": {"address": SENDER, "name": "Nolapse"}},
    "toRecipients": [{"emailAddress": {"address": "ana@clinic.example"}}],
    "singleValueExtendedProperties": [{"id": KEY, "value": "5f"}],
}
GRANT = {
    "client_id": "app",
    "client_secret": "secret",
    "grant_type": "client_credentials",
    "scope": "https://graph.microsoft.com/.default",
}


@pytest.fixture
def double(tmp_path: Path) -> Iterator[GraphDouble]:
    directory = Directory("contoso", "app", "secret")
    with GraphDouble(
        tmp_path / "double.sqlite", lambda: NOW, directory=directory, mailboxes=[SENDER, OTHER]
    ) as double:
        yield double


def token(double: GraphDouble, **changed: str) -> tuple[int, Any]:
    form = urlencode({**GRANT, **changed}).encode()
    return read(*ask(f"{double.url}/contoso/oauth2/v2.0/token", "POST", form, {}))


def graph(
    double: GraphDouble,
    method: str,
    path: str,
    document: object = None,
    *,
    sender: str = SENDER,
    prefer: str = IMMUTABLE,
) -> tuple[int, Any]:
    headers = {
        "Authorization": f"Bearer {token(double)[1]['access_token']}",
        "Content-Type": "application/json",
        "Prefer": prefer,
    }
    body = None if document is None else json.dumps(document).encode()
    return read(*ask(f"{double.url}/v1.0/users/{sender}/messages{path}", method, body, headers))


def read(status: int, body: bytes) -> tuple[int, Any]:
    return status, json.loads(body or b"null")


def draft(double: GraphDouble, **changed: Any) -> str:
    status, answer = graph(double, "POST", "", {**MESSAGE, **changed})
    assert status == 201
    return str(answer["id"])


def find(double: GraphDouble, value: str, sender: str = SENDER) -> list[str]:
    condition = f"singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq '{value}')"
    query = urlencode({"$filter": condition, "$select": "id,isDraft"}, quote_via=quote)
    status, answer = graph(double, "GET", f"?{query}", sender=sender)
    assert status == 200
    return [message["id"] for message in answer["value"]]


class TestDirectory:
    @pytest.mark.parametrize(
        ("changed", "status", "error"),
        [
            ({"client_secret": "other"}, 401, "invalid_client"),
            ({"client_id": "other"}, 400, "unauthorized_client"),
            ({"grant_type": "password"}, 400, "unsupported_grant_type"),
            ({"scope": "Mail.Send"}, 400, "invalid_scope"),
            ({"more": "x"}, 400, "invalid_request"),
        ],
    )
    def test_refuses(self, double: GraphDouble, changed: dict[str, str], status: int, error: str) -> None:
        answered, answer = token(double, **changed)
        assert (answered, answer["error"]) == (status, error)

    def test_nothing_without_a_token(self, double: GraphDouble) -> None:
        url = f"{double.url}/v1.0/users/{SENDER}/messages"
        status, answer = read(*ask(url, "GET", None, {"Authorization": "Bearer x"}))
        assert (status, answer["error"]["code"]) == (401, "InvalidAuthenticationToken")


class TestDrafts:
    @pytest.mark.parametrize(
        "changed",
        [
            {"unknown": 1},
            {"body": {"contentType": "markdown", "content": "x"}},
            {"body": {"type": "html"}},
            {"subject": "x" * 256},
            {"toRecipients": ["ana@clinic.example"]},
            {"toRecipients": [{"emailAddress": {"email": "ana@clinic.example"}}]},
            {"internetMessageHeaders": [{"name": "List-Unsubscribe", "value": "x"}]},
            {"singleValueExtendedProperties": [{"id": "nolapse-key", "value": "x"}]},
            {"singleValueExtendedProperties": [{"id": KEY, "value": 1}]},
        ],
    )
    def test_refuses(self, double: GraphDouble, changed: dict[str, Any]) -> None:
        assert graph(double, "POST", "", {**MESSAGE, **changed})[0] == 400
        assert double.drafts() == []

    def test_wants_json(self, double: GraphDouble) -> None:
        assert graph(double, "POST", "", [])[0] == 400

    def test_wants_a_mailbox(self, double: GraphDouble) -> None:
        status, answer = graph(double, "POST", "", MESSAGE, sender="nobody@nolapse.example")
        assert (status, answer["error"]["code"]) == (404, "ErrorInvalidUser")


class TestSending:
    def test_the_immutable_id_stays(self, double: GraphDouble) -> None:
        name = draft(double)
        assert double.messages() == []
        assert graph(double, "POST", f"/{name}/send") == (202, None)
        assert graph(double, "GET", f"/{name}?$select=id,isDraft")[1]["isDraft"] is False
        assert [message.message_id for message in double.messages()] == [name]

    def test_the_other_id_does_not(self, double: GraphDouble) -> None:
        name = graph(double, "POST", "", MESSAGE, prefer="")[1]["id"]
        assert graph(double, "GET", f"/{name}")[0] == 200
        assert graph(double, "POST", f"/{name}/send")[0] == 202
        assert graph(double, "GET", f"/{name}")[0] == 404

    def test_once(self, double: GraphDouble) -> None:
        name = draft(double)
        with ThreadPoolExecutor(4) as pool:
            statuses = list(pool.map(lambda _: graph(double, "POST", f"/{name}/send")[0], range(4)))
        assert sorted(statuses) == [202, 400, 400, 400]
        assert len(double.messages()) == 1

    @pytest.mark.parametrize(
        ("changed", "status", "code"),
        [
            ({"toRecipients": []}, 400, "ErrorInvalidRecipients"),
            ({"toRecipients": [{"emailAddress": {"address": "ana"}}]}, 400, "ErrorInvalidRecipients"),
            ({"from": {"emailAddress": {"address": OTHER}}}, 403, "ErrorSendAsDenied"),
        ],
    )
    def test_refuses(self, double: GraphDouble, changed: dict[str, Any], status: int, code: str) -> None:
        answered, answer = graph(double, "POST", f"/{draft(double, **changed)}/send")
        assert (answered, answer["error"]["code"]) == (status, code)
        assert double.messages() == []

    def test_what_is_purged_is_gone(self, double: GraphDouble) -> None:
        name = draft(double)
        assert graph(double, "POST", f"/{name}/permanentDelete")[0] == 204
        assert graph(double, "POST", f"/{name}/permanentDelete")[0] == 404
        assert graph(double, "POST", f"/{name}/send")[0] == 404
        assert find(double, "5f") == []

    def test_mailboxes_are_apart(self, double: GraphDouble) -> None:
        name = draft(double)
        assert graph(double, "GET", f"/{name}", sender=OTHER)[0] == 404
        assert find(double, "5f", OTHER) == []


class TestFinding:
    def test_by_value_whatever_its_case(self, double: GraphDouble) -> None:
        names = [draft(double), draft(double)]
        draft(double, singleValueExtendedProperties=[{"id": KEY, "value": "ab"}])
        assert find(double, "5F") == names

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"$filter": "subject eq 'x'"},
            {"$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}')"},
            {
                "$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq '5f')",
                "$top": "0",
            },
            {
                "$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq '5f')",
                "x": "1",
            },
        ],
    )
    def test_refuses(self, double: GraphDouble, query: dict[str, str]) -> None:
        assert graph(double, "GET", f"?{urlencode(query, quote_via=quote)}")[0] == 400

    def test_pages(self, double: GraphDouble) -> None:
        draft(double)
        draft(double)
        condition = f"singleValueExtendedProperties/Any(ep: ep/id eq '{KEY}' and ep/value eq '5f')"
        query = urlencode({"$filter": condition, "$top": "1"}, quote_via=quote)
        page = graph(double, "GET", f"?{query}")[1]
        assert len(page["value"]) == 1
        assert "@odata.nextLink" in page


def test_it_starts_again_with_what_it_had(tmp_path: Path) -> None:
    double = GraphDouble(
        tmp_path / "d.sqlite",
        lambda: NOW,
        directory=Directory("contoso", "app", "secret"),
        mailboxes=[SENDER],
    )
    with double:
        name = draft(double)
    with double:
        assert double.drafts() == [name]
        assert graph(double, "POST", f"/{name}/send")[0] == 202
    assert len(double.messages()) == 1
