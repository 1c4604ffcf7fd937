"""A batch of queued notifications to their people: look, render, claim, send concurrently, record; and again by another
provider or channel where one was out of reach or refused.

No connection is held while providers are called: a slow provider must not starve the database.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from nolapse.delivery.attempts import record
from nolapse.delivery.circuits import Circuits
from nolapse.delivery.compose import Composed, Sender, address, compose
from nolapse.delivery.outlets import Outlets, whatever_breaks
from nolapse.delivery.pace import DAY, MINUTE, Limit, Paced, take_pace
from nolapse.delivery.put_off import How, cancel_ended, put_off
from nolapse.delivery.queue import QueuedNotification
from nolapse.domain.outcomes import Outcome, Rejected
from nolapse.domain.quiet_hours import TEXTS, Hours, next_open
from nolapse.domain.routing import Plan, Verdict, Wait, Way, judge, waiting
from nolapse.domain.senders import NOTHING_OWN, Sending, in_turn
from nolapse.domain.states import Status
from nolapse.storage.engine import transaction
from nolapse.storage.senders import read_sending
from nolapse.storage.statements import statement

# A larger batch would send in turns, and outlast the function and its lease when a provider hangs.
SENDS_AT_ONCE = 100
TENANT_WEBHOOK = "tenant-webhook"
# What waits is sent by the next scan but one at the latest, and must have time for an answer then.
SCAN_EVERY = timedelta(minutes=1)
# The joins of a batch's facts stand in their order: to search for a better one costs as much as the answer.
JOIN_AS_WRITTEN = text("SELECT set_config('join_collapse_limit', '1', true)")
GONE = Rejected(f"{TENANT_WEBHOOK}:410")


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """`timeout`: how long one exchange may take; `tries`: how many of them a run has time for; `lease`: how long an
    attempt is this run's. Texts (SMS, WhatsApp) leave within `text_hours` of the recipient, and of the law where they
    hold licences. `per_person_day` bounds what one person gets in a day, doses aside; `per_tenant_minute` what a
    tenant's people get in a minute, where it has no limit of its own.
    """

    timeout: timedelta
    tries: int
    lease: timedelta
    text_hours: Hours
    per_person_day: int
    per_tenant_minute: int


@dataclass(frozen=True, slots=True)
class Ready:
    """One notification with its text and the way that it goes next."""

    row: Any
    composed: Composed
    plan: Plan
    way: Way
    sender: str
    number: int
    retry_count: int

    @property
    def key(self) -> bytes:
        return bytes(self.row.idempotency_key)

    @property
    def recipient(self) -> str:
        return str(address(self.row, self.way.channel))


Attempts = Mapping[UUID, Ready]


def dispatch(
    engine: Engine,
    outlets: Outlets,
    sender: Sender,
    rules: DispatchRules,
    *,
    batch: Sequence[QueuedNotification],
    now: datetime,
) -> Counter[str]:
    """Send a batch; what is not ours to send (repeated, cancelled, window closed) is left alone."""
    run = _Run(engine, outlets, sender, rules, now)
    attempts = run.begin(batch)
    counts = Counter(ignored=len(batch) - len(attempts) - run.counts["paced"] - run.counts["put_off"])
    for tried in range(1, rules.tries + 1):
        if attempts:
            attempts = run.complete(attempts, run.send(attempts), tried)
    run.put_off()
    return counts + run.counts


class _Run:
    """One batch. `counts` are outcomes, what was put off, and tries by another way."""

    def __init__(
        self, engine: Engine, outlets: Outlets, sender: Sender, rules: DispatchRules, now: datetime
    ) -> None:
        self._engine, self._outlets, self._sender, self._rules = engine, outlets, sender, rules
        self._now = now
        self._circuits = Circuits({}, set())
        self._sending: Mapping[UUID, Sending] = {}
        self._waits: Sequence[tuple[Any, How]] = ()
        self._notes: Mapping[bytes, str] = {}
        self.counts: Counter[str] = Counter()

    def begin(self, batch: Sequence[QueuedNotification]) -> Attempts:
        """Everything that is known before a provider is called, committed before one is."""
        times = {bytes.fromhex(message.key): message.scheduled_at for message in batch}
        with transaction(self._engine, "dispatch") as connection:
            connection.execute(JOIN_AS_WRITTEN)
            rows = connection.execute(
                statement("peek_queued"),
                {
                    "keys": list(times),
                    "earliest": min(times.values()),
                    "latest": max(times.values()),
                    "now": self._now,
                    "answer_by": self._answer_by(1),
                },
            ).all()
            self._circuits = Circuits.load(
                connection, now=self._now, trial_until=self._now + self._rules.lease
            )
            self._sending = read_sending(connection, {row.tenant_id for row in rows})
        found = [self._look(row) for row in rows]
        ready = [each for each in found if isinstance(each, Ready)]
        waits = [each for each in found if not isinstance(each, Ready)]
        with transaction(self._engine, "dispatch") as connection:
            denied = self._pace(connection, ready)
            notes = {key: paced.reason for key, paced in denied.items()}
            waits += [
                (each.row, Wait(each.way.position, denied[each.key].until))
                for each in ready
                if each.key in denied
            ]
            self._count_paced(denied)
            self.counts["put_off"] += len(waits) - len(denied)
            self.counts["deferred"] += sum(not isinstance(how, Wait) for _, how in waits)
            attempts = self._claim(connection, [each for each in ready if each.key not in denied])
        self._waits, self._notes = waits, notes
        return attempts

    def put_off(self) -> None:
        """What is not sent now goes back to waiting, last: if that fails, its message comes again.

        In a transaction of its own: who has the audit chain's lock must not wait for rows of who waits for that.
        """
        put_off(self._engine, self._waits, self._notes, self._now)
        ended = [row for row, _ in self._waits if row.ended]
        self.counts["ended"] += cancel_ended(self._engine, ended, self._now)

    def send(self, attempts: Attempts) -> Mapping[UUID, Outcome]:
        with ThreadPoolExecutor(min(len(attempts), SENDS_AT_ONCE)) as pool:
            return dict(zip(attempts, pool.map(self._send, attempts.items()), strict=True))

    def complete(self, attempts: Attempts, outcomes: Mapping[UUID, Outcome], tried: int) -> Attempts:
        """Record what became of attempts, and begin the next of those that go on by another way."""
        judged = {
            attempt: judge(
                outcomes[attempt], ready.plan, ready.way,
                retry_count=ready.retry_count, late=ready.row.late, jitter=random.random(),
            )
            for attempt, ready in attempts.items()
        }  # fmt: skip
        with transaction(self._engine, "dispatch") as connection:
            self._circuits.report(
                connection,
                [
                    (self._circuit(attempts[each].row, attempts[each].way.provider), outcome)
                    for each, outcome in outcomes.items()
                ],
                self._now,
            )
            self._disable_webhooks(
                connection, [attempts[each] for each, outcome in outcomes.items() if outcome == GONE]
            )
            going_on = {
                attempt: self._onward(attempts[attempt], verdict)
                for attempt, verdict in judged.items()
                if verdict.way is not None
            }
            denied = self._pace(connection, list(going_on.values()))
            self._count_paced(denied)
            for attempt, ready in going_on.items():
                if tried >= self._rules.tries or ready.row.send_by <= self._answer_by(tried + 1):
                    judged[attempt] = self._later(ready, judged[attempt], self._now)
                elif ready.key in denied:
                    paced = denied[ready.key]
                    later = self._later(ready, judged[attempt], paced.until)
                    judged[attempt] = replace(later, reason=paced.reason)
            rows = record(
                connection,
                [(each, attempts[each].row.scheduled_at, verdict) for each, verdict in judged.items()],
                self._now,
            )
            recorded = {row.attempt_id for row in rows}
            self.counts.update(row.outcome.lower() for row in rows)
            self.counts["deferred"] += sum(row.status == Status.DEFERRED for row in rows)
            onward = [ready for each, ready in going_on.items() if each in recorded and judged[each].way]
            self.counts["failed_over"] += len(onward)
            return self._claim(connection, onward)

    def _look(self, row: Any) -> Ready | tuple[Any, How]:
        if row.ended:
            return row, Wait(row.channel_position, self._now)
        try:
            composed = compose(row, self._sender, self._now)
        except ValueError as error:
            # One row that can't be said must not take its batch along; operators see it as DEFERRED.
            return row, f"unrenderable: {type(error).__name__}"
        plan = Plan(
            self._outlets.plan(row.channels),
            lambda channel, provider: self._ready_at(row, channel, provider),
            self._now,
            row.send_by - SCAN_EVERY - self._rules.timeout,
        )
        way = plan.first(row.channel_position)
        if not isinstance(way, Way):
            return row, way
        sender = self._take(row, way)
        return Ready(row, composed, plan, way, sender, row.attempt_count + 1, row.retry_count)

    def _onward(self, ready: Ready, verdict: Verdict) -> Ready:
        way = verdict.way
        if way is None:
            raise ValueError("a verdict without a way goes nowhere")
        return replace(
            ready,
            way=way,
            sender=self._take(ready.row, way),
            number=ready.number + 1,
            retry_count=verdict.retry_count,
        )

    def _take(self, row: Any, way: Way) -> str:
        """In whose name it goes: of its tenant's own senders where it has some."""
        self._circuits.use(self._circuit(row, way.provider), self._now)
        own = self._own(row).senders.get(way.provider)
        return in_turn(
            list(own or self._outlets.find(way.channel, way.provider).senders), row.idempotency_key
        )

    def _own(self, row: Any) -> Sending:
        return self._sending.get(row.tenant_id, NOTHING_OWN)

    def _circuit(self, row: Any, provider: str) -> str:
        """Tenants' endpoints and senders are as many providers: one that fails says nothing of another's."""
        own = provider == TENANT_WEBHOOK or provider in self._own(row).senders
        return f"{provider}:{row.tenant}" if own else provider

    def _ready_at(self, row: Any, channel: str, provider: str) -> datetime | None:
        if address(row, channel) is None or channel in row.suppressed:
            return None
        opens = self._circuits.ready_at(self._circuit(row, provider), self._now)
        if channel not in TEXTS:
            return opens
        from nolapse.storage.quiet_hours import weeks_for  # noqa: PLC0415  the states' laws, which only texts pay for

        weeks = weeks_for(row.states, self._rules.text_hours)
        window = next_open(opens, row.zone, weeks)
        # Begun in its last moments, it would leave when it is over.
        if window and window.end < window.start + self._rules.timeout:
            window = next_open(window.end, row.zone, weeks)
        return window.start if window else None

    def _later(self, ready: Ready, verdict: Verdict, until: datetime) -> Verdict:
        """There is a way, and no time or no room for it now."""
        return replace(verdict, status=waiting(ready.row.late), next_attempt_at=until, way=None)

    def _disable_webhooks(self, connection: Connection, gone: Sequence[Ready]) -> None:
        """By the specification: a receiver that is gone is not knocked at again until somebody says so."""
        if gone:
            tenants = sorted({str(ready.row.tenant_id) for ready in gone})
            connection.execute(statement("disable_webhooks"), {"tenants": tenants, "now": self._now})
            self.counts["webhooks_disabled"] += len(tenants)

    def _count_paced(self, held: Mapping[bytes, Paced]) -> None:
        self.counts["paced"] += len(held)
        self.counts.update(f"paced_by_{paced.kind}" for paced in held.values())

    def _pace(self, connection: Connection, ready: Sequence[Ready]) -> dict[bytes, Paced]:
        by_deadline = sorted(ready, key=lambda each: each.row.send_by)
        return take_pace(connection, {each.key: list(self._limits(each)) for each in by_deadline}, self._now)

    def _limits(self, ready: Ready) -> Iterable[Limit]:
        way = ready.way
        own = self._own(ready.row)
        of_sender = own.senders.get(way.provider, {}).get(ready.sender)
        usual = self._outlets.find(way.channel, way.provider).per_minute
        yield Limit(f"sender:{way.provider}:{ready.sender.lower()}", of_sender or usual, MINUTE)
        yield Limit(f"channel:{way.channel}", self._outlets.per_minute[way.channel], MINUTE)
        yield Limit(f"tenant:{ready.row.tenant_id}", own.per_minute or self._rules.per_tenant_minute, MINUTE)
        if not ready.row.perishable and ready.number == 1:
            yield Limit(f"person:{ready.row.clinician_id}", self._rules.per_person_day, DAY)

    def _claim(self, connection: Connection, ready: Sequence[Ready]) -> Attempts:
        if not ready:
            return {}
        by_key = {each.key: each for each in ready}
        times = [each.row.scheduled_at for each in ready]
        rows = connection.execute(
            statement("begin_attempts"),
            {
                "keys": list(by_key),
                "times": times,
                "earliest": min(times),
                "latest": max(times),
                "numbers": [each.number for each in ready],
                "positions": [each.way.position for each in ready],
                "channels": [each.way.channel for each in ready],
                "providers": [each.way.provider for each in ready],
                "senders": [each.sender for each in ready],
                "recipients": [each.recipient for each in ready],
                "hashes": [each.composed.body_sha256(each.way.channel) for each in ready],
                "now": self._now,
                "answer_by": self._answer_by(1),
                "lease_until": self._now + self._rules.lease,
            },
        )
        return {row.attempt_id: by_key[bytes(row.idempotency_key)] for row in rows}

    def _send(self, attempt: tuple[UUID, Ready]) -> Outcome:
        attempt_id, ready = attempt
        way = ready.way
        message = ready.composed.message(
            way.channel,
            to=ready.recipient,
            sender=ready.sender,
            key=ready.key.hex(),
            attempt_id=str(attempt_id),
        )
        provider = self._outlets.find(way.channel, way.provider).provider
        return whatever_breaks(way.provider, lambda: provider.send(message))

    def _answer_by(self, tries: int) -> datetime:
        return self._now + tries * self._rules.timeout
