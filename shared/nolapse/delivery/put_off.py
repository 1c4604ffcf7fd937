"""What is not sent now: it waits for its time, is given up, or ends, since nothing calls for it any more."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from nolapse.domain.routing import NoWay, Wait
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

UNREACHABLE = "no channel reaches this person"

# Until when a notification waits, or why it is given up.
How = Wait | NoWay | str


def put_off(
    engine: Engine, put_off: Sequence[tuple[Any, How]], notes: Mapping[bytes, str], now: datetime
) -> None:
    """Back to waiting, or DEFERRED. `notes`: by key, the limit that holds one back."""
    if not put_off:
        return
    waits = [(row, how if isinstance(how, Wait) else None, how) for row, how in put_off]
    with transaction(engine, "dispatch") as connection:
        connection.execute(
            statement("put_off"),
            {
                "keys": [row.idempotency_key for row, _, _ in waits],
                "times": [row.scheduled_at for row, _, _ in waits],
                "positions": [wait.position if wait else row.channel_position for row, wait, _ in waits],
                "untils": [wait.until if wait else None for _, wait, _ in waits],
                "reasons": [
                    None if wait else _unreachable(row) if isinstance(how, NoWay) else how
                    for row, wait, how in waits
                ],
                "notes": [notes.get(bytes(row.idempotency_key)) for row, _, _ in waits],
                "now": now,
            },
        )


def _unreachable(row: Any) -> str:
    suppressed = [channel for channel in row.channels if channel in row.suppressed]
    return f"{UNREACHABLE}: {', '.join(suppressed)} suppressed" if suppressed else UNREACHABLE


def cancel_ended(engine: Engine, ended: Sequence[Any], now: datetime) -> int:
    """Cancel rows that were put off because an edit had ended them in flight, where they have not come to life again.

    No edit runs meanwhile: what is called for is decided by one at a time. Those of a tenant that is being planned just
    now wait, and are looked at again when they are claimed next.
    """
    if not ended:
        return 0
    with transaction(engine, "dispatch") as connection:
        ours = set(
            connection.scalars(statement("try_lock_planning"), {"tenants": [row.tenant_id for row in ended]})
        )
        rows = [row for row in ended if row.tenant_id in ours]
        return connection.execute(
            statement("cancel_ended"),
            {
                "keys": [row.idempotency_key for row in rows],
                "times": [row.scheduled_at for row in rows],
                "now": now,
            },
        ).rowcount
