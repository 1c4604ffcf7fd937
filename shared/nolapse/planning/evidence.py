"""The schedule against the attempts that prove it: contradictions are found, and healed by legal transitions only.

What cannot be known from the base (did it leave?) is held for a human, never guessed.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine

from nolapse.domain.states import Status
from nolapse.planning.findings import MOST_SUBJECTS, Finding, Kind
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement
from nolapse.storage.whole_tables import whole_tables

# Retention may drop older months of the schedule, whose attempts are then nobody's.
HISTORY = timedelta(days=400)
# Far beyond every lease and every run of catch-up, which returns such rows hourly.
STUCK_AFTER = timedelta(hours=3)

WAITING = (Status.PENDING, Status.LATE_PENDING)
TOLD = (Status.SENT, Status.DELIVERED, Status.BOUNCED)


class Contradiction(NamedTuple):
    key: bytes
    scheduled_at: datetime
    attempt_number: int

    @property
    def subject(self) -> str:
        return f"notification:{self.key.hex()}"


class Move(NamedTuple):
    """One legal transition on the way to the state that the evidence calls for."""

    before: Sequence[Status]
    after: Status


INTO_SENDING = (
    Move((Status.CANCELLED,), Status.PENDING),
    Move(WAITING, Status.QUEUED),
    Move((Status.QUEUED,), Status.SENDING),
)
WAYS: dict[Kind, Sequence[Move]] = {
    Kind.SENT_WITHOUT_ATTEMPT: (Move(TOLD, Status.HELD),),
    Kind.DOUBLE_SENDS: (Move(TOLD, Status.HELD),),
    Kind.ACCEPTED_BUT_UNSENT: (*INTO_SENDING, Move((Status.SENDING, Status.UNKNOWN), Status.SENT)),
    Kind.ATTEMPTED_BUT_WAITING: (*INTO_SENDING[1:], Move((Status.SENDING,), Status.UNKNOWN)),
    Kind.IN_FLIGHT_WITHOUT_ATTEMPT: (
        Move((Status.SENDING,), Status.UNKNOWN),
        Move((Status.UNKNOWN,), Status.HELD),
    ),
    Kind.STUCK_IN_QUEUE: (Move((Status.QUEUED,), Status.PENDING),),
    Kind.LATE_TOO_EARLY: (Move((Status.LATE_PENDING,), Status.CANCELLED),),
    Kind.ORPHANED_ROWS: (
        Move((Status.QUEUED,), Status.PENDING),
        Move(WAITING, Status.CANCELLED),
    ),
}


def examine(engine: Engine, *, now: datetime) -> list[Finding]:
    """Find and heal every contradiction between the schedule and its attempts."""
    return [
        _heal(engine, kind, contradictions, now)
        for kind, contradictions in _contradictions(engine, now).items()
    ]


def cancel_orphans(engine: Engine, *, now: datetime) -> Finding:
    """Cancel what waits for a licence or a date that is no more."""
    with transaction(engine, "reconcile") as connection, whole_tables(connection):
        rows = connection.execute(statement("reconcile_orphans")).all()
    orphans = [Contradiction(bytes(key), scheduled_at, attempts) for key, scheduled_at, attempts in rows]
    return _heal(engine, Kind.ORPHANED_ROWS, orphans, now) if orphans else Finding(Kind.ORPHANED_ROWS, 0)


def _contradictions(engine: Engine, now: datetime) -> dict[Kind, list[Contradiction]]:
    found: dict[Kind, list[Contradiction]] = defaultdict(list)
    with transaction(engine, "reconcile") as connection, whole_tables(connection):
        rows = connection.execute(
            statement("reconcile_evidence"),
            {"now": now, "since": now - HISTORY, "stale_before": now - STUCK_AFTER},
        )
        for kind, key, scheduled_at, attempt_number in rows:
            found[Kind(kind)].append(Contradiction(bytes(key), scheduled_at, attempt_number))
    return found


def _heal(engine: Engine, kind: Kind, contradictions: Sequence[Contradiction], now: datetime) -> Finding:
    moved = 0
    reason = f"reconcile: {kind.value.replace('_', ' ')}"
    for move in WAYS.get(kind, ()):
        moved = _change(
            engine, "reconcile_move", contradictions,
            now=now, reason=reason, to=move.after.value, **{"from": [status.value for status in move.before]},
        )  # fmt: skip
    if kind is Kind.UNCOUNTED_ATTEMPTS:
        moved = _change(engine, "reconcile_count_attempts", contradictions, now=now)
    if kind is Kind.STUCK_IN_SENDING:
        with transaction(engine, "reconcile") as connection:
            moved = min(
                connection.execute(statement("expire_leases"), {"now": now}).rowcount, len(contradictions)
            )
    held = bool(WAYS.get(kind)) and WAYS[kind][-1].after is Status.HELD
    return Finding(
        kind,
        len(contradictions),
        healed=0 if held else moved,
        held=moved if held else 0,
        subjects=tuple(each.subject for each in contradictions[:MOST_SUBJECTS]),
    )


def _change(engine: Engine, name: str, found: Sequence[Contradiction], **parameters: object) -> int:
    # One transition statement a transaction: two could wait for one another's rows and the audit chain.
    with transaction(engine, "reconcile") as connection:
        return connection.execute(
            statement(name),
            {
                "keys": [each.key for each in found],
                "times": [each.scheduled_at for each in found],
                "attempt_numbers": [each.attempt_number for each in found],
                **parameters,
            },
        ).rowcount
