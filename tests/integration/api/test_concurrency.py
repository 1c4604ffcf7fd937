"""A hundred clients at once, over HTTP, on as many instances of the function as one machine has: nothing is lost."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from local.clock import SystemClock
from local.http import Api, HttpServer
from local.issuer import Issuer
from local.stack import running
from nolapse.api.identity import Role
from nolapse.planning.plan import bounds, plan
from tests.integration.conftest import Register

CLIENTS = 100


@dataclass(frozen=True)
class Clinic:
    register: Register
    port: int
    token: str
    ada: UUID

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str | None]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, None if body is None else json.dumps(body, default=str), sent)
        response = connection.getresponse()
        answer = response.status, json.loads(response.read()), response.getheader("ETag")
        connection.close()
        return answer

    def at_once(self, ask: Callable[[int], Any]) -> list[Any]:
        start = Barrier(CLIENTS)

        def run(number: int) -> Any:
            start.wait(timeout=60)
            return ask(number)

        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(run, range(CLIENTS)))

    def drift(self) -> dict[Any, int]:
        with self.register.database.engine.begin() as connection:
            report = plan(connection, bounds(datetime.now(UTC), horizon_months=13, lookback_days=14))
        return dict(report.rows)


@pytest.fixture
def clinic(register: Register, tmp_path: Path) -> Iterator[Clinic]:
    tenant = register.tenant()
    ada = register.clinician(tenant)
    database = register.database
    with (
        running(
            database.postgres, database.name, mail=tmp_path / "mail.sqlite", clock=SystemClock()
        ) as stack,
        HttpServer(Api(stack.stack.routes, stack.functions), 0) as server,
    ):
        token = Issuer(tmp_path).token(Role.CLINIC, tenant, now=datetime.now(UTC))
        yield Clinic(register, int(server.url.rpartition(":")[2]), token, ada)


def test_a_hundred_writers_of_one_record_and_one_wins(clinic: Clinic) -> None:
    path = f"/v1/clinicians/{clinic.ada}"
    _, _, tag = clinic.ask("GET", path)
    assert tag

    answers = clinic.at_once(
        lambda number: clinic.ask("PATCH", path, {"full_name": f"Ada {number}"}, if_match=tag)
    )

    assert Counter(status for status, _, _ in answers) == {200: 1, 412: CLIENTS - 1}
    (won,) = [body for status, body, _ in answers if status == 200]
    assert clinic.ask("GET", path)[1]["full_name"] == won["full_name"]


def test_a_hundred_writers_of_their_own_and_all_are_planned(clinic: Clinic) -> None:
    def add(number: int) -> Any:
        licence = {"clinician_id": clinic.ada, "license_type": "RN", "license_number": f"RN-{number}"}
        return clinic.ask("POST", "/v1/licenses", {**licence, "expires_on": "2027-06-30"})

    answers = clinic.at_once(add)

    assert Counter(status for status, _, _ in answers) == {201: CLIENTS}
    assert clinic.register.rows("SELECT count(*) FROM notification_schedule") == [(3 * CLIENTS,)]
    assert clinic.drift() == {}


def test_a_hundred_repeats_do_the_work_once(clinic: Clinic) -> None:
    body = {"external_id": "grace", "full_name": "Grace Hopper"}

    answers = clinic.at_once(lambda _: clinic.ask("POST", "/v1/clinicians", body, idempotency_key="once"))

    assert Counter(status for status, _, _ in answers) == {201: CLIENTS}
    assert len({json.dumps(answer, sort_keys=True) for _, answer, _ in answers}) == 1
    assert clinic.register.rows("SELECT count(*) FROM clinicians WHERE external_id = 'grace'") == [(1,)]
