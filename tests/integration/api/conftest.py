"""The API's own code over one test's database, asked as API Gateway asks it, at a time that the test sets."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest
from sqlalchemy import event, text

from local.clock import VirtualClock
from local.http import Request, from_answer, to_event
from local.issuer import AUDIENCE, ISSUER, Issuer, IssuerDouble
from local.postgres import Postgres
from local.template import Route
from nolapse.api.app import Rules, create_app
from nolapse.api.front import Front
from nolapse.api.identity import Role, Verifier
from nolapse.api.pace import Pace
from nolapse.api.uploads import Uploads
from nolapse.delivery.depths import Depth
from nolapse.domain.links import Links
from nolapse.domain.seals import KeyRing
from nolapse.domain.senders import Capacity
from nolapse.planning.plan import bounds
from nolapse.storage.meter import Meter, watch
from tests.conftest import cloned
from tests.integration.conftest import DAILY, NOW, Register, register, suppress

__all__ = ["register"]

KEYS = KeyRing({"local": "one machine, no cloud, no secret"}, "local")
SLOW_SECONDS = 0.5
ORIGIN = "https://desk.clinic.test"
PROVIDERS = {"EMAIL": ["graph", "sendgrid"], "SMS": ["twilio-sms"]}
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
    s3: Any
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
    with serving(register, tmp_path) as made:
        yield made


@contextmanager
def serving(register: Register, folder: Path) -> Iterator[Api]:
    clock, issuer = VirtualClock(NOW), Issuer(folder / "issuer")
    log: list[tuple[str, Mapping[str, Any]]] = []
    made: list[Api] = []
    meter = Meter()
    watch(
        register.database.api,
        meter,
        lambda name, seconds: log.append(("db.slow", {"statement": name, "seconds": seconds})),
        slow_seconds=SLOW_SECONDS,
    )
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
                capacity=Capacity(dict.fromkeys(("EMAIL", "SMS"), 1000), PROVIDERS, per_tenant=100),
            ),
            portal_url="https://portal.test",
            uploads=Uploads(lambda: made[0].s3, "registers"),
            count=lambda _counts: None,
            log=lambda event, fields: log.append((event, fields)),
            meter=meter,
            depths=lambda: [Depth(queue="email", visible=3, in_flight=2, delayed=1)],
        )
        made.append(Api(register, issuer, clock, front, nowhere(), log))
        yield made[0]


@cache
def nowhere() -> Any:
    """Signs links, and reaches nothing."""
    return boto3.client(
        "s3", region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing"
    )


def drafted(api: Api, tenant: UUID) -> UUID:
    """A tenant's own policy with a version in force and a draft."""
    register, now = api.register, api.clock.now()
    with register.database.owner.begin() as connection:
        own: UUID = connection.scalar(
            text(
                "INSERT INTO renewal_policies (tenant_id, occasion, license_type, name)"
                " VALUES (:tenant, 'LICENSE_EXPIRY', 'RN', 'ours') RETURNING policy_id"
            ),
            {"tenant": tenant},
        )
        for version, status, days in ((1, "ACTIVE", -90), (2, "DRAFT", -60)):
            step = {"event": "PRIMARY", "days": days, "template": "primary", "channels": ["EMAIL"]}
            connection.execute(
                text(
                    "INSERT INTO policy_version (policy_id, version, tenant_id, status, steps, created_at)"
                    " VALUES (:own, :version, :tenant, :status, CAST(:steps AS jsonb), :now)"
                ),
                {
                    "own": own, "version": version, "tenant": tenant, "status": status, "now": now,
                    "steps": json.dumps([{**step, "recipients": ["HOLDER"], "perishable": False, "unless": None}]),
                },
            )  # fmt: skip
    return own


def through(api: Api, key: str, *steps: str, reason: str = "the provider cannot be asked") -> None:
    """A notification from state to state, as the functions would take it."""
    for status in steps:
        api.register.execute(
            "UPDATE notification_schedule SET status = :status, reason = :reason, claimed_at = :now,"
            " next_attempt_at = NULL, send_by = NULL, updated_at = :now WHERE idempotency_key = decode(:key, 'hex')",
            status=status,
            reason=reason,
            now=api.clock.now(),
            key=key,
        )


def records(api: Api, tenant: UUID) -> dict[str, Any]:
    """One of each that a route can name, by the name of its parameter."""
    clinician = api.register.clinician(tenant)
    license_id = api.register.license(tenant, clinician, date(2027, 1, 31))
    medication_id = api.register.prescribe(clinician, DAILY)
    ((key,),) = api.register.rows(
        "SELECT encode(idempotency_key, 'hex') FROM notification_schedule"
        " WHERE license_id = :license_id AND event = 'PRIMARY'",
        license_id=license_id,
    )
    through(api, key, "QUEUED", "SENDING", "UNKNOWN", "HELD")
    return {
        "clinician_id": clinician,
        "user_id": clinician,
        "license_id": license_id,
        "medication_id": medication_id,
        "key": key,
        "policy_id": drafted(api, tenant),
        "version": 1,
        "import_id": imported(api, tenant),
        "tenant_id": tenant,
        "suppression_id": suppressed(api, tenant),
        "sender_id": api.register.sender(tenant, "desk@clinic.test"),
    }


def imported(api: Api, tenant: UUID) -> UUID:
    ((import_id,),) = api.register.rows("SELECT uuidv7()")
    api.register.execute(
        "INSERT INTO imports"
        " (import_id, tenant_id, source_name, sha256, status, mapping, counts, started_at, finished_at) VALUES"
        " (:import_id, :tenant, 'register.csv', sha256('x'), 'DONE', '{}', '{\"uploaded\": true}', :now, :now)",
        import_id=import_id,
        tenant=tenant,
        now=api.clock.now(),
    )
    return import_id


def suppressed(api: Api, tenant: UUID) -> UUID:
    """With a webhook beside it."""
    suppress(api.register)
    api.register.execute(
        "INSERT INTO tenant_webhooks (tenant_id, url, updated_at) VALUES (:tenant, 'https://x.test', :now)",
        tenant=tenant,
        now=api.clock.now(),
    )
    ((suppression_id,),) = api.register.rows(
        "SELECT suppression_id FROM suppressions WHERE tenant_id = :tenant", tenant=tenant
    )
    found: UUID = suppression_id
    return found


def operate(api: Api, tenant: UUID) -> None:
    with api.register.database.owner.begin() as connection:
        connection.execute(text("UPDATE tenants SET is_operator = (tenant_id = :tenant)"), {"tenant": tenant})


@contextmanager
def counted(api: Api) -> Iterator[list[str]]:
    """The statements that requests make meanwhile."""
    made: list[str] = []

    def note(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        made.append(sql)

    engine = api.register.database.api
    event.listen(engine, "before_cursor_execute", note)
    yield made
    event.remove(engine, "before_cursor_execute", note)


@dataclass(frozen=True, slots=True)
class Kept:
    """A base with one of each record, to clone: by the tenant whose they are, who is the operator, and `records`."""

    name: str
    tenant: UUID
    ids: Mapping[str, Any]


@pytest.fixture(scope="session")
def kept(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with cloned(postgres) as database:
        register = Register(database)
        with serving(register, tmp_path_factory.mktemp("kept")) as api:
            tenant = register.tenant()
            ids = records(api, tenant)
            operate(api, tenant)
        database.dispose()
        yield Kept(database.name, tenant, ids)


@pytest.fixture
def admin(api: Api, tenant: UUID) -> str:
    return api.token(tenant, Role.ADMIN)


@pytest.fixture
def tenant(register: Register) -> UUID:
    return register.tenant("clinic")


@pytest.fixture
def staff(api: Api, tenant: UUID) -> str:
    return api.token(tenant)
