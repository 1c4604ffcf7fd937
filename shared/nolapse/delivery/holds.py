"""HELD: a short list of what only a human can settle, each row in one call.

A decision closes the case: the attempts that nobody could answer for are settled by the human's word, so that no
provider is asked about them any more and what is to be sent again can be (begin_attempts.sql).

NolapseError
└── HoldRefused
    ├── NotHeld
    ├── WasAccepted
    └── TooLateToSend
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.domain.errors import NolapseError
from nolapse.domain.states import Status
from nolapse.storage.statements import statement


class HoldRefused(NolapseError):
    """A decision that nothing can come of; nothing was changed."""


class NotHeld(HoldRefused):
    """There is nothing to decide. `status` is None where no such notification is there."""

    def __init__(self, key: bytes, status: str | None) -> None:
        super().__init__(
            f"notification {key.hex()} is {status or 'not there'}: only what is HELD can be resolved"
        )
        self.key = key
        self.status = status


class WasAccepted(HoldRefused):
    """A provider took it: whatever a human wishes, it left."""

    def __init__(self, key: bytes, attempt_number: int) -> None:
        super().__init__(
            f"notification {key.hex()} left: attempt {attempt_number} was accepted, so it can only be SENT"
        )
        self.key = key
        self.attempt_number = attempt_number


class TooLateToSend(HoldRefused):
    """Its window closed before the lookback, or it is of no use after its window."""

    def __init__(self, key: bytes, window_end: datetime) -> None:
        super().__init__(
            f"notification {key.hex()} is of no use any more, its window closed at {window_end:%Y-%m-%d %H:%M %Z}:"
            " it can only be SENT or dropped"
        )
        self.key = key
        self.window_end = window_end


class Decision(StrEnum):
    SENT = "SENT"
    SEND_AGAIN = "SEND_AGAIN"
    DROP = "DROP"


REASONS = {
    Decision.SENT: "settled by hand: it did leave",
    Decision.SEND_AGAIN: "settled by hand: it did not leave",
    Decision.DROP: "settled by hand: not wanted any more",
}


@dataclass(frozen=True, slots=True)
class Hold:
    """`attempts`: provider, outcome and code of each; `since`: when it was held."""

    tenant: str
    key: bytes
    why: str
    since: datetime
    attempts: Sequence[str]
    occasion: str
    event: str
    scheduled_at: datetime
    clinician_id: UUID
    subject_id: UUID


def list_holds(connection: Connection, *, now: datetime, tenant: str | None = None) -> list[Hold]:
    """Of one tenant, by its slug, or of all: the longest held first."""
    rows = connection.execute(statement("held"), {"now": now, "tenant": tenant})
    return [
        Hold(
            tenant=row.tenant,
            key=bytes(row.idempotency_key),
            why=row.reason,
            since=row.since,
            attempts=row.attempts,
            occasion=row.occasion,
            event=row.event,
            scheduled_at=row.scheduled_at,
            clinician_id=row.clinician_id,
            subject_id=row.subject_id,
        )
        for row in rows
    ]


def resolve(
    connection: Connection, key: bytes, decision: Decision, *, who: str, now: datetime, late_since: datetime
) -> Status:
    """Close the case of one held row, as `who` in the audit log; returns the state it went to. Raises HoldRefused.

    `late_since`: what closed before it is too old to be sent late.
    """
    held = connection.execute(statement("lock_held"), {"key": key}).one_or_none()
    if held is None or held.status != Status.HELD:
        raise NotHeld(key, held.status if held else None)
    if decision is not Decision.SENT and held.accepted is not None:
        raise WasAccepted(key, held.accepted)
    status = _status(key, held, decision, now, late_since)
    connection.execute(text("SELECT set_config('app.actor', :who, true)"), {"who": who})
    connection.execute(
        statement("settle_by_hand"), {"key": key, "left": decision is Decision.SENT, "now": now}
    )
    connection.execute(
        statement("release_held"),
        {
            "key": key,
            "scheduled_at": held.scheduled_at,
            "status": status.value,
            "reason": REASONS[decision],
            "now": now,
        },
    )
    return status


def _status(key: bytes, held: Any, decision: Decision, now: datetime, late_since: datetime) -> Status:
    if decision is Decision.SENT:
        return Status.SENT
    if decision is Decision.DROP:
        return Status.CANCELLED
    if not held.late and held.window_end > now:
        return Status.PENDING
    if held.perishable or held.window_end <= late_since:
        raise TooLateToSend(key, held.window_end)
    return Status.LATE_PENDING
