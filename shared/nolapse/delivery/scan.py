"""Due rows onto the queue: claim, commit, send. A crash in between leaves QUEUED rows to catch-up."""

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine, text

from nolapse.delivery.hold_back import hold_back
from nolapse.delivery.queue import Claimed, NotificationQueue
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

if TYPE_CHECKING:
    from nolapse.delivery.flags import Flags


def scan(
    engine: Engine,
    queue: NotificationQueue,
    flags: "Flags",
    *,
    now: datetime,
    limit: int,
    correlation_id: str,
) -> Counter[str]:
    """Queue what is due, never more than `limit` messages ahead of the senders, less what a flag holds back.

    `correlation_id` goes with each message into its dispatcher's logs.
    """
    room = max(0, limit - queue.depth())
    counts = Counter(claimed=0, refused=0, room=room, circuits_open=_circuits_open(engine))
    if room:
        with transaction(engine, "scan") as connection:
            counts["needless"] = connection.execute(statement("suppress_needless"), {"now": now}).rowcount
        with transaction(engine, "scan") as connection:
            rows = connection.execute(statement("claim_due"), {"now": now, "limit": room}).all()
            claims = [
                Claimed(bytes(row.idempotency_key), row.scheduled_at, str(row.tenant_id)) for row in rows
            ]
            held = hold_back(
                connection, flags, [(claim.idempotency_key, claim.scheduled_at) for claim in claims], now=now
            )
        counts["claimed"], counts["held_back"] = len(rows), len(held)
        stays = {each.candidate.key for each in held}
        going = [claim for claim in claims if claim.idempotency_key not in stays]
        counts["refused"] = queue.send(going, correlation_id)
    return counts


# A tenant's own endpoint that is down is that tenant's matter, not an operator's.
CIRCUITS_OPEN = text(
    "SELECT count(*) FROM provider_circuit WHERE state <> 'CLOSED' AND strpos(provider, ':') = 0"
)


def _circuits_open(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(CIRCUITS_OPEN) or 0
