"""Due rows onto the queue: claim, commit, send. A crash in between leaves QUEUED rows to catch-up."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Engine, text

from nolapse.delivery.hold_back import hold_back
from nolapse.delivery.queue import Claimed, NotificationQueue
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

if TYPE_CHECKING:
    from nolapse.delivery.flags import Flags

# Claimed and sent before more is claimed: a crash strands no more than this.
PORTION = 1000


# A tenant's own endpoint or sender that fails stops nobody else: counted apart.
CIRCUITS_OPEN = text("""
SELECT
  count(*) FILTER (WHERE strpos(provider, ':') = 0) AS circuits_open,
  count(*) FILTER (WHERE strpos(provider, ':') > 0) AS tenant_circuits_open
FROM provider_circuit WHERE state <> 'CLOSED'
""")


class Portion(NamedTuple):
    """`held`: the keys of those that a flag holds back."""

    claims: Sequence[Claimed]
    held: Collection[bytes]


def scan(
    engine: Engine,
    queue: NotificationQueue,
    flags: "Flags",
    *,
    now: datetime,
    limit: int,
    correlation_id: str,
) -> Counter[str]:
    """Queue what is due, never more than `limit` of them ahead of the senders, less what a flag holds back.

    `correlation_id` goes with each message into its dispatcher's logs, where no request of the API moved its row.
    """
    room = max(0, limit - queue.depth())
    counts = Counter(claimed=0, refused=0, room=room, **_circuits_open(engine))
    if room:
        with transaction(engine, "scan") as connection:
            needless = connection.execute(statement("suppress_needless"), {"now": now}).rowcount
        counts.update(needless=needless, held_back=0)
    while room and (portion := _claim(engine, flags, now, min(room, PORTION))).claims:
        counts["claimed"] += len(portion.claims)
        counts["held_back"] += len(portion.held)
        counts["refused"] += queue.send(
            [claim for claim in portion.claims if claim.idempotency_key not in portion.held], correlation_id
        )
        room -= len(portion.claims)
    return counts


def _claim(engine: Engine, flags: "Flags", now: datetime, limit: int) -> Portion:
    with transaction(engine, "scan") as connection:
        rows = connection.execute(statement("claim_due"), {"now": now, "limit": limit}).all()
        claims = [
            Claimed(bytes(row.idempotency_key), row.scheduled_at, str(row.tenant_id), row.correlation_id)
            for row in rows
        ]
        held = hold_back(
            connection, flags, [(claim.idempotency_key, claim.scheduled_at) for claim in claims], now=now
        )
    return Portion(claims, {each.candidate.key for each in held})


def _circuits_open(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return dict(connection.execute(CIRCUITS_OPEN).mappings().one())
