"""What vendors say later about what they took: recorded once, in whatever order it comes, however often it is told.

A receipt proves its attempt, whatever was recorded of it. What it proves only grows (taken, delivered, bounced), so
every order of the same receipts ends in the same state; a bounce is proof that nobody was told, and goes on by the
next channel. Some also say that an address wants nothing more, or can take nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Engine

from nolapse.domain.receipts import Receipt, ReceiptKind
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

ACTOR = "receipts"
# How long a receipt waits for its attempt: vendors repeat theirs for a day or two.
PATIENCE = timedelta(days=2)
# Longer than any vendor repeats one.
MEMORY = timedelta(days=30)
WAITING_A_RUN = 5_000

# Whose numbers tell STOP, and of which channel.
_CHANNELS = {"twilio-sms": "SMS", "twilio-whatsapp": "WHATSAPP"}


def take_receipts(
    engine: Engine, receipts: Sequence[Receipt], *, now: datetime, late_since: datetime
) -> Counter[str]:
    """Record a batch and what follows from it, in one transaction.

    `late_since`: what closed before it is too old to be sent late.
    """
    ours = [(receipt, attempt) for receipt in receipts if (attempt := _attempt(receipt)) or receipt.address]
    counts = Counter(receipts_taken=0, receipts_foreign=len(receipts) - len(ours))
    if not ours:
        return counts
    with transaction(engine, ACTOR) as connection:
        fresh = connection.execute(
            statement("take_receipts"),
            {
                "providers": [receipt.provider for receipt, _ in ours],
                "event_ids": [receipt.event_id for receipt, _ in ours],
                "kinds": [receipt.kind.value for receipt, _ in ours],
                "attempt_ids": [attempt for _, attempt in ours],
                "message_ids": [receipt.provider_message_id for receipt, _ in ours],
                "codes": [receipt.code for receipt, _ in ours],
                "suppresses": [receipt.suppresses and receipt.suppresses.value for receipt, _ in ours],
                "times": [receipt.at for receipt, _ in ours],
                "now": now,
            },
        ).all()
        new = {(row.provider, row.event_id, row.kind) for row in fresh}
        here = [row for row in fresh if not row.waits]
        counts.update(
            _apply(
                connection,
                [row.receipt_id for row in here],
                [row.attempt_id for row in here if row.attempt_id],
                _wishes(
                    receipt
                    for receipt, _ in ours
                    if (receipt.provider, receipt.event_id, receipt.kind) in new
                ),
                now=now,
                late_since=late_since,
            )
        )
    counts["receipts_taken"] = len(fresh)
    counts["receipts_repeated"] = len(ours) - len(fresh)
    counts["receipts_waiting"] = len(fresh) - len(here)
    return counts


def apply_waiting(engine: Engine, *, now: datetime, late_since: datetime) -> Counter[str]:
    """What came before its attempt was there; and what waited in vain, or is old, is forgotten."""
    with transaction(engine, ACTOR) as connection:
        found = connection.execute(statement("waiting_receipts"), {"limit": WAITING_A_RUN}).all()
        counts = _apply(
            connection,
            [row.receipt_id for row in found],
            [row.attempt_id for row in found],
            [],
            now=now,
            late_since=late_since,
        )
    with transaction(engine, ACTOR) as connection:
        forgotten = connection.execute(
            statement("forget_receipts"), {"waited_since": now - PATIENCE, "kept_since": now - MEMORY}
        ).all()
    counts["receipts_applied"] = len(found)
    counts["receipts_too_late"] = sum(row.in_vain for row in forgotten)
    return counts


def _apply(
    connection: Connection,
    receipts: Sequence[UUID],
    attempts: Sequence[UUID],
    wishes: Sequence[Receipt],
    *,
    now: datetime,
    late_since: datetime,
) -> Counter[str]:
    if not receipts and not wishes:
        return Counter()
    about = {"attempts": sorted(set(attempts)), "now": now}
    connection.execute(statement("lock_receipted"), about)
    settled = connection.execute(
        statement("apply_receipts"),
        {
            "receipts": list(receipts),
            "addresses": [wish.address for wish in wishes],
            "channels": [_CHANNELS[wish.provider] for wish in wishes],
            "stops": [wish.kind is ReceiptKind.UNSUBSCRIBED for wish in wishes],
            "times": [wish.at for wish in wishes],
            "now": now,
        },
    ).rowcount
    moved = Counter(row.status.lower() for row in connection.execute(statement("move_receipted"), about))
    went_on = connection.execute(
        statement("go_on_after_bounce"), {**about, "late_since": late_since}
    ).rowcount
    if went_on:
        connection.execute(statement("space_anew"), about)
    moved.update(settled=settled, went_on=went_on, bounced_for_good=max(0, moved["bounced"] - went_on))
    return moved


def _attempt(receipt: Receipt) -> UUID | None:
    """None for what no message of ours carried: other mail of the same account."""
    try:
        return UUID(receipt.attempt_id or "")
    except ValueError:
        return None


def _wishes(receipts: Iterable[Receipt]) -> list[Receipt]:
    """STOP and START: of an address, and of no message."""
    return [receipt for receipt in receipts if receipt.address]
