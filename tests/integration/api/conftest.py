"""The API's own code over one test's database, asked as API Gateway asks it, at a time that the test sets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from local.clock import VirtualClock
from local.http import Request, from_answer, to_event
from local.issuer import AUDIENCE, ISSUER, Issuer, IssuerDouble
from local.template import Route
from nolapse.api.app import Rules, create_app
from nolapse.api.front import Front
from nolapse.api.identity import Role, Verifier
from nolapse.api.pace import Pace
from nolapse.domain.links import Links
from nolapse.domain.seals import KeyRing
from nolapse.planning.plan import bounds
from tests.integration.conftest import NOW, Register, register

__all__ = ["register"]

KEYS = KeyRing({"local": "one machine, no cloud, no secret"}, "local")
ORIGIN = "https://desk.clinic.test"
ROUTE = Route("ApiFunction", "ANY", "/{proxy+}")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def etag(self) -> str:
        return self.headers["etag"]


@dataclass
class Api:
    register: Register
    issuer: Issuer
    clock: VirtualClock
    front: Front
    log: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def token(self, tenant: UUID, role: Role = Role.CLINIC, **claims: Any) -> str:
        """PyJWT asks the machine's clock."""
        return self.issuer.token(role, tenant, now=datetime.now(UTC), **claims)

    def call(
        self, method: str, path: str, token: str | None = None, body: Any = None, **headers: str
    ) -> Answer:
        """`headers` with _ for -; a body that is no text is sent as JSON."""
        self.clock.move_to(self.clock.now() + timedelta(seconds=1))
        text = body if isinstance(body, str | None) else json.dumps(body, default=str)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["authorization"] = f"Bearer {token}"
        if text is not None:
            sent.setdefault("content-type", "application/json")
        request = Request(method, path, list(sent.items()), (text or "").encode(), "127.0.0.1")
        answer = from_answer(self.front.resolve(to_event(ROUTE, request, {}), None))
        return Answer(answer.status, dict(answer.headers), _read(answer.body))


def _read(body: bytes) -> Any:
    """JSON, an archive as its bytes, or text."""
    if body[:1] in {b"{", b"["}:
        return json.loads(body)
    return body if body.startswith(b"PK") else body.decode()


@pytest.fixture
def api(register: Register, tmp_path: Path) -> Iterator[Api]:
    clock, issuer = VirtualClock(NOW), Issuer(tmp_path / "issuer")
    log: list[tuple[str, Mapping[str, Any]]] = []
    with IssuerDouble(issuer, clock.now) as double:
        front = create_app(
            register.database.api,
            Links(base="https://nolapse.test", keys=lambda: KEYS, lasting=timedelta(days=120)),
            clock.now,
            keys=lambda: KEYS,
            rules=Rules(
                verifier=Verifier(ISSUER, [AUDIENCE], double.keys_url),
                pace=Pace(600, 6000),
                origins=[ORIGIN],
                limits=lambda now: bounds(now, horizon_months=13, lookback_days=14),
            ),
            portal_url="https://portal.test",
            count=lambda _counts: None,
            log=lambda event, fields: log.append((event, fields)),
        )
        yield Api(register, issuer, clock, front, log)


@pytest.fixture
def tenant(register: Register) -> UUID:
    return register.tenant("clinic")


@pytest.fixture
def staff(api: Api, tenant: UUID) -> str:
    return api.token(tenant)
