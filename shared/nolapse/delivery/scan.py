"""Due rows onto the queue: claim, commit, send. A crash in between leaves QUEUED rows to catch-up."""

from collections import Counter
from datetime import datetime

from sqlalchemy import Engine, text

from nolapse.delivery.queue import Claimed, NotificationQueue
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement


def scan(engine: Engine, queue: NotificationQueue, *, now: datetime, limit: int) -> Counter[str]:
    """Queue what is due, never more than `limit` messages ahead of the senders."""
    room = max(0, limit - queue.depth())
    counts = Counter(claimed=0, refused=0, room=room, circuits_open=_circuits_open(engine))
    if room:
        with transaction(engine, "scan") as connection:
            counts["needless"] = connection.execute(statement("suppress_needless"), {"now": now}).rowcount
        with transaction(engine, "scan") as connection:
            rows = connection.execute(statement("claim_due"), {"now": now, "limit": room}).all()
        counts["claimed"] = len(rows)
        counts["refused"] = queue.send(
            [Claimed(row.idempotency_key, row.scheduled_at, str(row.tenant_id)) for row in rows]
        )
    return counts


def _circuits_open(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM provider_circuit WHERE state <> 'CLOSED'")) or 0
