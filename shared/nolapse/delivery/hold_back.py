"""Flags asked about what is about to leave: what one holds back is SUPPRESSED with its reason, to be released later."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from nolapse.domain.flags import Candidate, HeldBack
from nolapse.storage.statements import statement

if TYPE_CHECKING:
    from nolapse.delivery.flags import Flags


def hold_back(
    connection: Connection, flags: "Flags", claims: Sequence[tuple[bytes, datetime]], *, now: datetime
) -> list[HeldBack]:
    """What of these rows (key, scheduled_at) a flag holds back; in the transaction that claimed them, none has left."""
    held = flags.held_back(_candidates(connection, claims)) if claims else []
    if held:
        connection.execute(
            statement("hold_back"),
            {
                "keys": [each.candidate.key for each in held],
                "times": [each.candidate.scheduled_at for each in held],
                "reasons": [each.decision.reason for each in held],
                "now": now,
            },
        )
    return held


def _candidates(connection: Connection, claims: Sequence[tuple[bytes, datetime]]) -> Iterator[Candidate]:
    """Read when the first is asked for: never, where no flag is set."""
    times = [at for _, at in claims]
    rows = connection.execute(
        statement("flag_candidates"),
        {"keys": [key for key, _ in claims], "times": times, "earliest": min(times), "latest": max(times)},
    )
    for row in rows:
        yield Candidate(
            key=bytes(row.idempotency_key),
            scheduled_at=row.scheduled_at,
            tenant=row.tenant,
            person_id=str(row.clinician_id),
            occasion=row.occasion,
            event=row.event,
            channels=tuple(row.channels),
            state=row.state,
        )
