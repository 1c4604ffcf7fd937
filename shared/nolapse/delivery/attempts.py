"""Records what became of attempts, in one round trip, whoever found out: the dispatcher or a probe."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from nolapse.domain.routing import Verdict
from nolapse.storage.statements import statement


def record(
    connection: Connection,
    verdicts: Sequence[tuple[UUID, datetime, Verdict]],
    now: datetime,
    *,
    asked: bool = False,
) -> Sequence[Row[Any]]:
    """(attempt_id, outcome, status) of what was recorded; a verdict that came too late records nothing.

    A verdict is (attempt_id, its notification's scheduled_at, what became of it). `asked`: the provider was probed,
    and that is counted.
    """
    if not verdicts:
        return []
    times = [scheduled_at for _, scheduled_at, _ in verdicts]
    return connection.execute(
        statement("record_verdicts"),
        {
            "now": now,
            "asked": int(asked),
            "earliest": min(times),
            "latest": max(times),
            "attempt_ids": [attempt for attempt, _, _ in verdicts],
            "outcomes": [verdict.outcome for _, _, verdict in verdicts],
            "codes": [verdict.code for _, _, verdict in verdicts],
            "message_ids": [verdict.message_id for _, _, verdict in verdicts],
            "handles": [verdict.handle for _, _, verdict in verdicts],
            "statuses": [verdict.status.value for _, _, verdict in verdicts],
            "reasons": [verdict.reason for _, _, verdict in verdicts],
            "next_attempts": [verdict.next_attempt_at for _, _, verdict in verdicts],
            "positions": [verdict.position for _, _, verdict in verdicts],
            "retries": [verdict.retry_count for _, _, verdict in verdicts],
        },
    ).all()
