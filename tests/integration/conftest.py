"""A small register to plan on: one call per person with licences."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from nolapse.domain.recurrence import Recurrence
from nolapse.domain.retention import Retention
from nolapse.planning.medications import Prescription, prescribe
from nolapse.planning.plan import PlanReport, bounds, plan
from tests.conftest import Database

NOW = datetime(2026, 10, 26, tzinfo=UTC)
RETENTION = Retention.read(
    "notification_schedule=1095,notification_outbox=1095,acknowledgements=1095,audit_log=2555,ops_notices=90,"
    "idempotent_request=7,imports=365,scheduler_heartbeat=90,sending_pace=7,api_pace=1"
)
DAILY = Prescription(
    "your tablets",
    Recurrence.read("DTSTART;TZID=America/New_York:20261001T080000\nRRULE:FREQ=DAILY;BYHOUR=8,20"),
)


@dataclass(frozen=True, slots=True)
class Register:
    database: Database

    def tenant(self, slug: str = "clinic", timezone: str = "America/New_York") -> UUID:
        return self._insert(
            "INSERT INTO tenants (slug, name, timezone, contact_email)"
            " VALUES (:slug, :slug, :timezone, 'desk@clinic.test') RETURNING tenant_id",
            slug=slug,
            timezone=timezone,
        )

    def clinician(
        self,
        tenant: UUID,
        name: str = "ada",
        timezone: str | None = None,
        email: str | None = "ada@clinic.test",
    ) -> UUID:
        return self._insert(
            "INSERT INTO clinicians (tenant_id, external_id, full_name, email, timezone)"
            " VALUES (:tenant, :name, :name, :email, :timezone) RETURNING clinician_id",
            tenant=tenant,
            name=name,
            email=email,
            timezone=timezone,
        )

    def license(
        self,
        tenant: UUID,
        clinician: UUID,
        expires_on: date | None,
        *,
        number: str = "RN-1234567",
        license_type: str = "RN",
        state: str | None = "NY",
    ) -> UUID:
        return self._insert(
            "INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)"
            " VALUES (:tenant, :clinician, :license_type, :state, :number, :expires_on) RETURNING license_id",
            tenant=tenant,
            clinician=clinician,
            license_type=license_type,
            state=state,
            number=number,
            expires_on=expires_on,
        )

    def sender(
        self, tenant: UUID, address: str, provider: str = "sendgrid", per_minute: int | None = None
    ) -> UUID:
        """As the owner: the engine only reads them."""
        with self.database.owner.begin() as connection:
            made: UUID = connection.scalar(
                text(
                    "INSERT INTO senders (tenant_id, provider, address, messages_per_minute, created_at, updated_at)"
                    " VALUES (:tenant, :provider, :address, :per_minute, :now, :now) RETURNING sender_id"
                ),
                {
                    "tenant": tenant, "provider": provider, "address": address, "per_minute": per_minute, "now": NOW,
                },
            )  # fmt: skip
        return made

    def execute(self, sql: str, **parameters: Any) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(text(sql), parameters)

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql), parameters)]

    def statuses(self) -> dict[str, str]:
        """Status by event, of a register with one licence."""
        return dict(self.rows("SELECT event, status FROM notification_schedule ORDER BY scheduled_at"))

    def plan(self, now: datetime = NOW, promised: datetime | None = None, **scope: Any) -> PlanReport:
        limits = bounds(now, horizon_months=13, lookback_days=14, promised=promised)
        with self.database.engine.begin() as connection:
            return plan(connection, limits, **scope)

    def prescribe(self, clinician: UUID, prescription: Prescription, now: datetime = NOW) -> UUID:
        limits = bounds(now, horizon_months=13, lookback_days=14)
        with self.database.engine.begin() as connection:
            medication, _ = prescribe(connection, clinician, prescription, limits)
        return medication

    def _insert(self, sql: str, **parameters: Any) -> UUID:
        with self.database.engine.begin() as connection:
            identity: UUID = connection.scalar(text(sql), parameters)
        return identity


@pytest.fixture
def register(database: Database) -> Register:
    return Register(database)


def acknowledge(register: Register) -> None:
    """An answer to every notification about a licence."""
    with register.database.owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO acknowledgements (tenant_id, clinician_id, license_id, idempotency_key, scheduled_at, at,"
                " occurrence, answer, via) SELECT tenant_id, clinician_id, license_id, idempotency_key, scheduled_at,"
                " scheduled_at, occurrence, 'IN_PROGRESS', 'LINK' FROM notification_schedule"
                " WHERE license_id IS NOT NULL"
            )
        )


def suppress(register: Register) -> None:
    """Everybody's address, by the tenant that knows them."""
    register.execute(
        "INSERT INTO suppressions (tenant_id, address_sha256, channel, reason, since, updated_at)"
        " SELECT DISTINCT tenant_id, address_digest(email), 'EMAIL', 'HARD_BOUNCE', CAST(:now AS timestamptz),"
        " CAST(:now AS timestamptz) FROM clinicians",
        now=NOW,
    )
