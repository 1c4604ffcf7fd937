"""The real functions over one test's database, moto and SendGrid's double, at a time that the test sets."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import pytest

from local.clock import VirtualClock
from local.doubles.faults import FaultQueue
from local.doubles.received import ReceivedEmail
from local.stack import RunningStack, running
from nolapse.delivery.queue import NotificationQueue, QueuedNotification, open_message
from nolapse.runtime.bootstrap import runtime
from tests.integration.conftest import NOW, Register

# A licence that expires then calls for its SECONDARY reminder on 26 October 2026, in New York from 12:00 UTC on.
EXPIRES = date(2026, 11, 25)
OPENS = datetime(2026, 10, 26, 12, tzinfo=UTC)
CLOSES = datetime(2026, 10, 26, 16, tzinfo=UTC)

# The licences of clinic's people become another's.
TO_BOB = (
    "WITH bob AS (INSERT INTO clinicians (tenant_id, external_id, full_name, email)"
    " SELECT tenant_id, 'bob', 'Bob', 'bob@clinic.test' FROM tenants WHERE slug = 'clinic' RETURNING clinician_id)"
    " UPDATE licenses SET clinician_id = (SELECT clinician_id FROM bob)"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    register: Register
    running: RunningStack
    clock: VirtualClock
    faults: FaultQueue

    @property
    def queue(self) -> NotificationQueue:
        return runtime().email_queue

    @property
    def mail(self) -> list[ReceivedEmail]:
        return self.running.sendgrid.messages()

    def due(self, licenses: int = 1, slug: str = "clinic", timezone: str = "America/New_York") -> UUID:
        """A tenant with that many people, each with a SECONDARY reminder on 26 October, planned."""
        tenant = self.register.tenant(slug, timezone)
        self.register.execute(
            "INSERT INTO clinicians (tenant_id, external_id, full_name, email)"
            " SELECT :tenant, number, 'Ada ' || number, 'ada' || number || '@clinic.test'"
            " FROM generate_series(1, :people) AS number",
            tenant=tenant,
            people=licenses,
        )
        self.register.execute(
            "INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)"
            " SELECT tenant_id, clinician_id, 'RN', 'NY', 'RN-' || external_id, :expires"
            " FROM clinicians WHERE tenant_id = :tenant",
            tenant=tenant,
            expires=EXPIRES,
        )
        self.register.plan(tenant_id=tenant)
        return tenant

    def told_by(self, *channels: str) -> None:
        """By these channels, in this order, from the next planning on."""
        self.register.execute(
            "UPDATE policy_version SET steps ="
            " (SELECT jsonb_agg(step || jsonb_build_object('channels', CAST(:channels AS jsonb)))"
            "  FROM jsonb_array_elements(steps) AS step)",
            channels=json.dumps(channels),
        )

    def invoke(self, function: str, at: datetime | None = None) -> dict[str, Any]:
        if at:
            self.clock.move_to(at)
        answer: dict[str, Any] = self.running.functions.invoke(function, {})
        return answer

    def scan(self, at: datetime | None = None) -> dict[str, Any]:
        return self.invoke("ScanFunction", at)

    def catch_up(self, at: datetime | None = None) -> dict[str, Any]:
        return self.invoke("CatchUpFunction", at)

    def dispatch(self) -> None:
        """Until the queue shows nothing more."""
        for queue in self.running.queues:
            assert queue.drain().errors == ()

    def send(self, at: datetime | None = None) -> None:
        self.scan(at)
        self.dispatch()

    def send_late(self, at: datetime) -> None:
        self.catch_up(at)
        self.send()

    def bodies(self) -> list[str]:
        """What lies on the queue, left there."""
        return [message["Body"] for message in self.receive(hidden_seconds=0)]

    def receive(self, hidden_seconds: int = 360) -> list[Any]:
        """Up to ten messages as SQS hands them over."""
        return (
            boto3.client("sqs")
            .receive_message(
                QueueUrl=self.running.stack.ref("EmailQueue"),
                MaxNumberOfMessages=10,
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=0,
                MessageSystemAttributeNames=["All"],
            )
            .get("Messages", [])
        )

    def opened(self, messages: Sequence[Any]) -> list[QueuedNotification]:
        """What messages say, as a dispatcher reads them."""
        keys, now = runtime().key_ring, self.clock.now()
        return [each for message in messages for each in open_message(message["Body"], keys, now)]

    def statuses(self) -> Counter[str]:
        """Of the SECONDARY reminders."""
        rows = self.register.rows("SELECT status FROM notification_schedule WHERE event = 'SECONDARY'")
        return Counter(status for (status,) in rows)

    def attempts(self) -> list[tuple[Any, ...]]:
        return self.register.rows(
            "SELECT attempt_number, outcome, code FROM notification_outbox ORDER BY attempt_number, attempt_id"
        )

    def keys_sent(self) -> Counter[str]:
        return Counter(email.key for email in self.mail)


@pytest.fixture
def delivery(register: Register, tmp_path: Path) -> Iterator[Delivery]:
    """With SendGrid alone."""
    with delivering(register, tmp_path / "mail.sqlite") as made:
        yield made


@contextmanager
def delivering(
    register: Register, mail: Path, ops: Mapping[str, FaultQueue] | None = None, **others: FaultQueue
) -> Iterator[Delivery]:
    """`others`: further vendors, each with its faults; `ops`: operators' channels, likewise."""
    clock, faults = VirtualClock(NOW), FaultQueue()
    database = register.database
    with running(
        database.postgres, database.name, mail=mail, clock=clock, faults=faults, others=others, ops=ops
    ) as stack:
        yield Delivery(register, stack, clock, faults)
