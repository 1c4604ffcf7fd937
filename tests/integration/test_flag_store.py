"""Flags from AppConfig as it answers on the wire, and that its validator, the evaluator and the page agree."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from aws_lambda_powertools.utilities.feature_flags.exceptions import SchemaValidationError
from jsonschema import Draft4Validator
from pydantic import ValidationError

from local.stack import ROOT
from local.template import Template
from nolapse.delivery.flags import FileStore, Flags, app_config_store, check
from nolapse.domain.flags import HoldBack, OpsOnly, Send
from tests.unit.test_flags import UNANSWERABLE, candidate, condition, flag

TEMPLATE = Template.load(ROOT / "template.yaml")


class AppConfigData(BaseHTTPRequestHandler):
    """One document, for whoever asks.

    https://docs.aws.amazon.com/appconfig/latest/APIReference/API_appconfigdata_GetLatestConfiguration.html
    """

    server: "AppConfigDouble"

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(wanted)
        self._answer(201, json.dumps({"InitialConfigurationToken": "first"}))

    def do_GET(self) -> None:
        self._answer(
            self.server.status,
            json.dumps(self.server.document),
            {"Next-Poll-Configuration-Token": "next", "Next-Poll-Interval-In-Seconds": "60"},
        )

    def _answer(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


class AppConfigDouble(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AppConfigData)
        self.document: Any = {}
        self.status = 200
        self.asked: list[dict[str, str]] = []


@pytest.fixture
def app_config(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppConfigDouble]:
    with AppConfigDouble() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        for name, value in {
            "AWS_ENDPOINT_URL_APPCONFIGDATA": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield server
        server.shutdown()
        thread.join()


def test_the_stack_s_own_document_decides(app_config: AppConfigDouble) -> None:
    app_config.document = {"pilot": flag("SEND", "HOLD_BACK", tenant="clinic")}
    failures: list[str] = []
    flags = Flags(app_config_store("nolapse-dev"), failures.append)

    assert flags.decide(candidate()) == HoldBack("pilot")
    assert flags.decide(candidate("another")) == Send()

    assert failures == []
    assert app_config.asked == [
        {
            "ApplicationIdentifier": "nolapse-dev",
            "EnvironmentIdentifier": "live",
            "ConfigurationProfileIdentifier": "flags",
        }
    ]


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_service_that_fails_stops_nothing(app_config: AppConfigDouble, status: int) -> None:
    app_config.document, app_config.status = {"pilot": flag("HOLD_BACK")}, status
    failures: list[str] = []
    flags = Flags(app_config_store("nolapse-dev"), failures.append)

    assert flags.held_back([candidate(), candidate()]) == []

    assert len(failures) == 1
    app_config.status = 200
    assert flags.decide(candidate()) == HoldBack("pilot")


def validator() -> Draft4Validator:
    (profile,) = (p for _, p in TEMPLATE.resources("AWS::AppConfig::ConfigurationProfile"))
    (schema,) = (each["Content"] for each in profile["Validators"])
    return Draft4Validator(json.loads(schema))


def documents() -> list[Any]:
    """Those of the page, the template and the local stack."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    (hosted,) = (p["Content"] for _, p in TEMPLATE.resources("AWS::AppConfig::HostedConfigurationVersion"))
    local = (ROOT / "local" / "flags.json").read_text(encoding="utf-8")
    return [
        *map(json.loads, re.findall(r"```json\n(.*?)```", page, re.DOTALL)),
        json.loads(hosted),
        json.loads(local),
    ]


@pytest.mark.parametrize("document", documents())
def test_what_we_show_and_ship_is_valid(document: Any) -> None:
    validator().validate(document)
    check(document)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"a": {"default": True}},
        {"a": flag("MAYBE")},
        {"a": flag({"send_to_percent": 101})},
        {"a": flag({"send_to_percent": 5, "others": "MAYBE"})},
        {"a": flag("SEND", "HOLDBACK", tenant="clinic")},
        *UNANSWERABLE,
    ],
)
def test_the_validator_refuses_what_the_evaluator_does_not_take(document: Any) -> None:
    assert not validator().is_valid(document)
    with pytest.raises((SchemaValidationError, ValidationError)):
        check(document)


@pytest.mark.parametrize(
    "document",
    [
        condition("NOT_EQUALS", "state", "NY"),
        condition("KEY_IN_VALUE", "tenant", ["clinic"]),
        condition("VALUE_IN_KEY", "channels", "SMS"),
        condition("ALL_IN_VALUE", "channels", ["SMS", "EMAIL"]),
    ],
)
def test_the_validator_takes_what_the_evaluator_does(document: Any) -> None:
    validator().validate(document)
    check(document)


def test_what_makes_no_sense_in_the_service_changes_nothing(app_config: AppConfigDouble) -> None:
    app_config.document = condition("EQUALS", "tennant", "clinic")
    failures: list[str] = []
    flags = Flags(app_config_store("nolapse-dev"), failures.append)

    assert flags.held_back([candidate()]) == []

    assert len(failures) == 1


def test_the_page_s_example_does_what_it_says(tmp_path: Any) -> None:
    example, *_ = documents()
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(example))
    flags = Flags(FileStore(path), pytest.fail)

    assert flags.decide(candidate("riverside-clinic")) == OpsOnly("rehearsal")
    assert flags.decide(candidate()) == Send()
    people = [
        candidate(channel="WHATSAPP", person_id=f"00000000-0000-0000-0000-{number:012}")
        for number in range(500)
    ]
    held = flags.held_back(people)
    assert {each.decision for each in held} == {HoldBack("whatsapp-for-some")}
    assert 420 < len(held) < 480
