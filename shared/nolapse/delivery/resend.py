"""What should have reached people and did not, sent again by a human: given up for a fault that was put right, or held
back by a flag that lets go.

The rows wait again and go the way of all others, so that windows, quiet hours and the spacing of late messages hold.
Each begins at its first channel, with the retries of the schedule before it again.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from nolapse.delivery.throttle import Throttle
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

# What another try may mend: a provider that was down, too busy or did not take our key, a template that could not be
# rendered, a flag. A refusal of the message itself (its address, its content) would only be repeated.
RETRIABLE = "^(retries spent: |unrenderable: |flag: )"
MOST = 100_000
BATCH = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for. `since`: windows that closed before it are too old; `reason`: how the reason begins, where the
    human takes it on themselves to try again what would not be retried by itself; `keys`: of these alone.
    """

    since: datetime
    tenant: str | None = None
    event: str | None = None
    reason: str | None = None
    keys: Sequence[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Unsent:
    tenant: str
    event: str
    status: str
    reason: str
    key: bytes
    scheduled_at: datetime


def find_unsent(connection: Connection, wanted: Wanted, *, now: datetime) -> list[Unsent]:
    """What may be sent again, those first whose windows closed first."""
    rows = connection.execute(
        statement("unsent"),
        {
            "since": wanted.since,
            "tenant": wanted.tenant,
            "event": wanted.event,
            "reason": wanted.reason,
            "keys": None if wanted.keys is None else list(wanted.keys),
            "retriable": RETRIABLE,
            "now": now,
            "limit": MOST,
        },
    )
    return [
        Unsent(row.tenant, row.event, row.status, row.reason, bytes(row.idempotency_key), row.scheduled_at)
        for row in rows
    ]


def send_again(
    engine: Engine, unsent: Sequence[Unsent], *, who: str, now: datetime, per_second: int
) -> Counter[str]:
    """Let them wait again, as `who` in the audit log; returns how many to which state."""
    counts: Counter[str] = Counter()
    pace, size = Throttle(per_second), min(BATCH, per_second)
    for start in range(0, len(unsent), size):
        batch = unsent[start : start + size]
        pace.take(len(batch))
        # A transaction each: the audit log's lock is held to its end, and scan wants it too.
        with transaction(engine, who) as connection:
            counts.update(wait_again(connection, batch, now=now))
    return counts


def wait_again(connection: Connection, unsent: Sequence[Unsent], *, now: datetime) -> Counter[str]:
    """In the caller's transaction, as its actor: few enough of them not to hold the audit log's lock for long."""
    rows = connection.execute(
        statement("send_again"),
        {"keys": [row.key for row in unsent], "times": [row.scheduled_at for row in unsent], "now": now},
    )
    return Counter(row.status for row in rows)
