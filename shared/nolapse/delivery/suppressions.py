"""Addresses that are sent nothing: looked at, and let go, by hand.

NolapseError
└── LiftRefused
    ├── NotInForce
    └── OnlyByStart
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.domain.errors import NolapseError
from nolapse.domain.receipts import Suppression
from nolapse.storage.statements import statement

MOST = 1_000


class LiftRefused(NolapseError):
    """Nothing was changed."""


class NotInForce(LiftRefused):
    """It was lifted already, or never was."""

    def __init__(self, suppression_id: UUID) -> None:
        super().__init__(
            f"suppression {suppression_id} is not in force: `nolapse suppressions list` shows what is"
        )
        self.suppression_id = suppression_id


class OnlyByStart(LiftRefused):
    """The carrier holds back what is sent to that number, whatever we think of it."""

    def __init__(self, suppression_id: UUID) -> None:
        super().__init__(
            f"suppression {suppression_id} was told by STOP: the person lifts it, by texting START"
        )
        self.suppression_id = suppression_id


@dataclass(frozen=True, slots=True)
class Suppressed:
    suppression_id: UUID
    tenant: str
    channel: str
    reason: Suppression
    since: datetime
    address_sha256: bytes


def list_suppressions(
    connection: Connection, *, tenant: str | None = None, address: str | None = None
) -> Sequence[Suppressed]:
    """Of one tenant, by its slug, or of all; of one address, or of all: the latest first."""
    rows = connection.execute(
        statement("suppressions"), {"tenant": tenant, "address": address, "limit": MOST}
    )
    return [
        Suppressed(
            suppression_id=row.suppression_id,
            tenant=row.tenant,
            channel=row.channel,
            reason=Suppression(row.reason),
            since=row.since,
            address_sha256=bytes(row.address_sha256),
        )
        for row in rows
    ]


def lift(connection: Connection, suppression_id: UUID, *, who: str, now: datetime) -> None:
    """As `who` in the audit log. Raises LiftRefused."""
    reason = connection.scalar(
        text("SELECT reason FROM suppressions WHERE suppression_id = :suppression_id"),
        {"suppression_id": suppression_id},
    )
    if reason == Suppression.STOP:
        raise OnlyByStart(suppression_id)
    connection.execute(text("SELECT set_config('app.actor', :who, true)"), {"who": who})
    lifted = connection.execute(statement("lift_suppression"), {"suppression_id": suppression_id, "now": now})
    if not lifted.rowcount:
        raise NotInForce(suppression_id)
