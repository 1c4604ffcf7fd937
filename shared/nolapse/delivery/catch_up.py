"""Whatever got stuck or came too late, set right: nothing due is lost.

In order: leases that ran out become UNKNOWN, receipts that waited and the provider's answers settle
UNKNOWN, messages that never reached a dispatcher go back to waiting, windows that closed unsent become late, and
late rows get a window outside quiet hours, one per person at a time.
"""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as time_of_day
from functools import cache
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from nolapse.delivery.attempts import record
from nolapse.delivery.outlets import Outlets, whatever_breaks
from nolapse.delivery.receipts import apply_waiting
from nolapse.domain.calendar import next_allowed
from nolapse.domain.messages import Sought
from nolapse.domain.outcomes import BROKE, Unknown
from nolapse.domain.routing import Verdict, judge_probe
from nolapse.domain.states import Status
from nolapse.domain.windows import Window
from nolapse.providers.protocol import Provider
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

# How long a provider's own records may lag behind what it accepted.
SETTLE_TIME = timedelta(minutes=5)
# Far above what a message waits in a queue that scan keeps shallow.
STALE_AFTER = timedelta(minutes=15)
# Of each provider.
PROBES_A_RUN = 500
PROBES_AT_ONCE = 10
ANSWERS = {"ACCEPTED", "NOT_FOUND"}
# All providers together get so many times as long as one that answers nothing.
MOST_PATIENCE = 8


@dataclass(frozen=True, slots=True)
class LatePolicy:
    """How far back late messages go, how far apart for one person, and never in [quiet_from, quiet_until).

    `per_tenant`: how many of a tenant a run, and so an hour, lets go; the others wait for the next.
    """

    lookback: timedelta
    spacing: timedelta
    per_tenant: int
    quiet_from: time_of_day
    quiet_until: time_of_day


def catch_up(
    engine: Engine, outlets: Outlets, policy: LatePolicy, *, patience: timedelta, now: datetime
) -> Counter[str]:
    """`patience`: how long a provider that answers nothing is asked what became of messages; the last questions may end
    after it.
    """
    counts: Counter[str] = Counter()
    counts["leases_expired"] = _change(engine, "expire_leases", now=now)
    counts.update(apply_waiting(engine, now=now, late_since=now - policy.lookback))
    counts.update(_settle_unknown(engine, outlets, patience, now))
    counts["returned"] = _change(engine, "return_stale", now=now, stale_before=now - STALE_AFTER)
    counts["late"] = _change(engine, "mark_late", now=now, late_since=now - policy.lookback)
    counts["superseded"] = _change(engine, "supersede_late", now=now)
    counts["late_windows"] = _grant_late_windows(engine, policy, now)
    return counts


def _change(engine: Engine, name: str, **parameters: datetime) -> int:
    # One transition statement a transaction: two could wait for one another's rows and the audit chain.
    with transaction(engine, "catch_up") as connection:
        return connection.execute(statement(name), parameters).rowcount


def _settle_unknown(engine: Engine, outlets: Outlets, patience: timedelta, now: datetime) -> Counter[str]:
    with transaction(engine, "catch_up") as connection:
        attempts = connection.execute(
            statement("unknown_attempts"), {"settled_before": now - SETTLE_TIME, "limit": PROBES_A_RUN}
        ).all()
    answers: Counter[str] = Counter()
    over = time.monotonic() + MOST_PATIENCE * patience.total_seconds()
    for name, found in groupby(attempts, key=lambda attempt: str(attempt.provider)):
        asked = list(found)
        # One that hangs, for some or for all, must not spend the time of what comes after.
        until = time.monotonic() + patience.total_seconds()
        for start in range(0, len(asked), PROBES_AT_ONCE):
            verdicts = _probe(outlets.provider(name), name, asked[start : start + PROBES_AT_ONCE], now)
            with transaction(engine, "catch_up") as connection:
                recorded = record(connection, verdicts, now, asked=True)
            answers.update(row.outcome.lower() for row in recorded)
            answers["held"] += sum(row.status == Status.HELD for row in recorded)
            if any(verdict.outcome in ANSWERS for _, _, verdict in verdicts):
                until = time.monotonic() + patience.total_seconds()
            if time.monotonic() >= min(until, over):
                break
    return Counter({f"probed_{outcome}": count for outcome, count in answers.items()})


def _probe(
    provider: Provider[Any] | None, name: str, attempts: Sequence[Any], now: datetime
) -> list[tuple[UUID, datetime, Verdict]]:
    def ask(attempt: Any) -> tuple[UUID, datetime, Verdict]:
        sought = Sought(
            key=attempt.idempotency_key.hex(),
            attempt_id=str(attempt.attempt_id),
            to=attempt.recipient,
            since=attempt.started_at,
            sender=attempt.sender,
            body_sha256=attempt.body_sha256 and bytes(attempt.body_sha256),
            handle=attempt.handle,
        )
        verdict = judge_probe(
            whatever_breaks(name, lambda: provider.probe(sought))
            if provider
            else Unknown(f"{name}:not-configured"),
            position=attempt.channel_position,
            retry_count=attempt.retry_count,
            late=attempt.late,
            probes=attempt.probes + 1,
            again=attempt.again,
            broke=attempt.code if BROKE in (attempt.code or "") else None,
            channels=attempt.channels,
            now=now,
        )
        return attempt.attempt_id, attempt.scheduled_at, verdict

    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        return list(pool.map(ask, attempts))


def _grant_late_windows(engine: Engine, policy: LatePolicy, now: datetime) -> int:
    @cache
    def window(since: datetime, zone: str) -> Window:
        return next_allowed(since, zone, policy.quiet_from, policy.quiet_until)

    with transaction(engine, "catch_up") as connection:
        rows = connection.execute(
            statement("late_candidates"), {"now": now, "per_tenant": policy.per_tenant}
        ).all()
        if not rows:
            return 0
        windows = [
            window(max(now, row.last_sent_at + policy.spacing) if row.last_sent_at else now, row.zone)
            for row in rows
        ]
        return connection.execute(
            statement("grant_late_windows"),
            {
                "keys": [row.idempotency_key for row in rows],
                "times": [row.scheduled_at for row in rows],
                "opens": [window.start for window in windows],
                "closes": [window.end for window in windows],
                "now": now,
            },
        ).rowcount
