"""The running stack against its own OpenAPI document: what schemathesis makes up is answered as the document says.

https://schemathesis.readthedocs.io
"""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from local.clock import SystemClock
from local.http import Api, HttpServer
from local.issuer import Issuer
from local.stack import running
from nolapse.api.identity import Role
from nolapse.api.openapi import document
from tests.integration.conftest import DAILY, Register, register

__all__ = ["register"]

SECONDS = 50
# The limits have tests of their own; here every request counts as the first of its minute.
NO_PACE = (
    "CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.used := 1; RETURN NEW; END'",
    "CREATE TRIGGER first BEFORE INSERT OR UPDATE ON api_pace FOR EACH ROW EXECUTE FUNCTION first()",
)
# What is well formed and refused all the same: an id that is nobody's, a confirmation of somebody else.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 304, 401, 403, 404, 409, 412, 422]
# Of a body that is wrong too, the body is named first.
[checks.missing_required_header]
expected-statuses = [401, 422, 428]
"""


@dataclass(frozen=True, slots=True)
class Running:
    url: str
    token: str
    schema: Path


@pytest.fixture
def up(register: Register, tmp_path: Path) -> Iterator[Running]:
    tenant = register.tenant()
    person = register.clinician(tenant)
    register.license(tenant, person, date(2027, 1, 31))
    register.prescribe(person, DAILY)
    schema = tmp_path / "openapi.json"
    schema.write_text(document(), encoding="utf-8")
    database = register.database
    with database.owner.begin() as connection:
        # Who runs the platform may ask every route.
        for statement in (*NO_PACE, "UPDATE tenants SET is_operator = true"):
            connection.exec_driver_sql(statement)
    with (
        running(
            database.postgres, database.name, mail=tmp_path / "mail.sqlite", clock=SystemClock()
        ) as stack,
        HttpServer(Api(stack.stack.routes, stack.functions), 0) as server,
    ):
        token = Issuer(tmp_path).token(Role.ADMIN, tenant, now=datetime.now(UTC))
        yield Running(server.url, token, schema)


def attack(up: Running, tmp_path: Path, token: str, *more: str) -> str:
    report = tmp_path / "report.xml"
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run", str(up.schema),
            "--url", up.url, "--checks", "all", "--mode", "all", "--max-time", str(SECONDS), "--seed", "1",
            "--no-color", "--continue-on-failure", "--include-path-regex", "^/v1/", "--generation-database", "none",
            "-H", f"Authorization: Bearer {token}", "--report", "junit", "--report-junit-path", str(report), *more,
        ],
        capture_output=True, text=True, cwd=tmp_path, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    return done.stdout


def test_a_caller_with_a_token_is_answered_as_documented(up: Running, tmp_path: Path) -> None:
    said = attack(up, tmp_path, up.token)
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in said, said[-3_000:]


def test_a_caller_without_a_good_token_is_refused_as_documented(up: Running, tmp_path: Path) -> None:
    said = attack(up, tmp_path, "not.a.token", "--phases", "examples,coverage", "--max-examples", "5")
    assert "✅ Coverage" in said, said[-3_000:]
