"""Records what became of attempts, in one round trip, whoever found out: the dispatcher or a probe."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from nolapse.domain.retries import Verdict
from nolapse.storage.statements import statement


def record(connection: Connection, verdicts: Sequence[tuple[UUID, Verdict]], now: datetime) -> Counter[str]:
    """Returns the outcomes that were recorded; a verdict that came too late records nothing."""
    rows = connection.execute(
        statement("record_verdicts"),
        {
            "now": now,
            "attempt_ids": [attempt for attempt, _ in verdicts],
            "outcomes": [verdict.outcome for _, verdict in verdicts],
            "codes": [verdict.code for _, verdict in verdicts],
            "message_ids": [verdict.message_id for _, verdict in verdicts],
            "statuses": [verdict.status.value for _, verdict in verdicts],
            "reasons": [verdict.reason for _, verdict in verdicts],
            "next_attempts": [verdict.next_attempt_at for _, verdict in verdicts],
        },
    )
    return Counter(row.outcome.lower() for row in rows)
