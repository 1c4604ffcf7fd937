"""The main job end to end: a register in, a virtual fortnight of the real functions, and the proof.

Killing it at any moment loses nothing: what was done is in PostgreSQL and in the double's mail store, and the
next run of the same register goes on from there.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from local.doubles.received import ReceivedEmail
from local.mailbox import MailboxMessage
from local.postgres import Postgres
from local.proof import Rules
from local.sample_register import SampleTenant
from nolapse.delivery.catch_up import LatePolicy
from nolapse.storage.statements import statement

DATABASE = "demo"
LENGTH = timedelta(days=14)

# The latest time that the functions of an earlier run have seen.
REACHED = text("SELECT max(started_at) FROM scheduler_heartbeat")


@dataclass(frozen=True, slots=True)
class Files:
    """What the demo keeps in the local stack's home."""

    home: Path

    @property
    def sample(self) -> Path:
        return self.home / "sample-register.csv"

    @property
    def mail(self) -> Path:
        return self.home / "demo-mail.sqlite"

    @property
    def mailbox(self) -> Path:
        return self.home / "mailbox"

    @property
    def rejects(self) -> Path:
        return self.home / "rejects.csv"

    @property
    def log(self) -> Path:
        return self.home / "demo.log"

    @property
    def state(self) -> Path:
        return self.home / "demo.json"


@dataclass(frozen=True, slots=True)
class Register:
    """What the demo runs on. `tenant` is the one that every row belongs to; None where a column names it."""

    path: Path
    start: datetime
    tenants: tuple[SampleTenant, ...]
    tenant: str | None
    mapping: Mapping[str, str]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes() + self.start.isoformat().encode()).hexdigest()

    @property
    def end(self) -> datetime:
        return self.start + LENGTH


@dataclass(slots=True)
class State:
    """How far a run came; written whole, at its beginning, after its import and at its end."""

    digest: str
    imported: dict[str, Any] | None = None
    finished: bool = False

    def save(self, files: Files) -> None:
        draft = files.state.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(files.state)


def unfinished(files: Files, register: Register, postgres: Postgres) -> State | None:
    """The state of an earlier run of the same register that was cut off, if there is one to go on from."""
    try:
        state = State(**json.loads(files.state.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    resumable = state.digest == register.digest and not state.finished and postgres.has_database(DATABASE)
    return state if resumable else None


def create_tenants(engine: Engine, register: Register) -> None:
    with engine.begin() as connection:
        for tenant in register.tenants:
            contact = f"credentialing@{tenant.slug}.example.test"
            connection.execute(statement("create_tenant"), {**asdict(tenant), "contact_email": contact})


def reached(engine: Engine, start: datetime) -> datetime:
    """Where an earlier run's clock stood, else the start."""
    with engine.connect() as connection:
        at: datetime | None = connection.scalar(REACHED)
    return max(at, start) if at else start


def rules(policy: LatePolicy) -> Rules:
    return Rules(policy.lookback, policy.spacing, policy.quiet_from, policy.quiet_until)


def midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def mailbox_messages(engine: Engine, received: list[ReceivedEmail]) -> list[MailboxMessage]:
    """Each message as it arrived, with what the schedule knows of it."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
SELECT encode(idempotency_key, 'hex') AS key, event, late, scheduled_at, window_end, tenants.name AS tenant,
       coalesce(license_type || ' ••••' || right(license_number, 4), lower(occasion)) AS label,
       coalesce(clinicians.timezone, tenants.timezone) AS zone
FROM notification_schedule
JOIN clinicians USING (tenant_id, clinician_id)
JOIN tenants USING (tenant_id)
LEFT JOIN licenses USING (license_id)
WHERE claimed_at IS NOT NULL
""")
        )
        known = {row.key: row for row in rows}
    return [
        MailboxMessage(
            key=email.key,
            tenant=row.tenant,
            recipient=email.to,
            subject=email.subject,
            html=email.html,
            text=email.text,
            channel="EMAIL",
            event=row.event,
            late=row.late,
            license_label=row.label,
            sent_at=email.received_at,
            timezone=row.zone,
            window=(row.scheduled_at, row.window_end),
        )
        for email in received
        if (row := known.get(email.key))
    ]
