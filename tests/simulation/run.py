"""One seed lived through: its days with their faults, then quiet days until nothing is on its way, then the judge."""

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from threading import Lock
from typing import Any

from sqlalchemy import Connection, text

from local.demo import rules
from local.doubles.faults import answer, reset_after_accept
from local.doubles.received import ReceivedText
from local.doubles.server import Exchange, Fault, answer_normally
from local.proof import Rules, called_for
from local.schedules import Tick, ticks
from nolapse.planning.plan import bounds
from nolapse.runtime.bootstrap import runtime
from tests.simulation.base import Period, fill, period
from tests.simulation.edits import Past, edit, on_their_way
from tests.simulation.judge import Record, Verdict, judge
from tests.simulation.lives import Life
from tests.simulation.vendors import TWILIO, VENDORS, Vendor, VendorWeather
from tests.simulation.weather import MISSED, MOST_LATENCY, MOST_SKEW, Kind, Weather, draw
from tests.simulation.world import E_MAIL, World

SCAN, CATCH_UP, DISPATCH = "ScanFunction", "CatchUpFunction", "DispatchEmailFunction"
RECONCILE, MAINTENANCE, WATCHDOG = "ReconcileFunction", "MaintenanceFunction", "WatchdogFunction"
# Lambda's own for what a schedule invokes: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
RETRIES = (timedelta(minutes=1), timedelta(minutes=2))
# How long a dispatcher may be out of sight: its function's timeout.
PAUSE = timedelta(seconds=45)
MOST_KINDS = 6
# Among which the first invocation of a function may die; the later ones, among as many as one before had.
FEW_STEPS = 8
# The watchdog changes nothing: it need not look every hour, and at the end it looks at everybody.
WATCHED_HOURS = 12
# A night of quiet hours and a few late messages of one person, twice over.
GRACE = timedelta(days=6)
# What was held in bad weather is asked about again every hour.
ASKED_AGAIN = timedelta(hours=3)
# What closed longer ago than that before a run is too old for it.
RELEVANT = timedelta(days=30)

NEXT_DUE = """
SELECT min(next_attempt_at) FROM notification_schedule
WHERE scheduled_at BETWEEN :since AND :until AND claimed_at IS NULL
  AND send_by > greatest(:now, next_attempt_at) AND next_attempt_at < 'infinity'
"""
# What catch-up would find something to do about.
UNSETTLED = """
SELECT EXISTS (SELECT FROM notification_schedule WHERE scheduled_at BETWEEN :since AND :now AND (
  status IN ('QUEUED', 'SENDING', 'UNKNOWN', 'HELD')
  OR (status IN ('PENDING', 'LATE_PENDING') AND (send_by <= :now OR send_by = 'infinity'))))
"""
ON_ITS_WAY = """
SELECT EXISTS (SELECT FROM notification_schedule WHERE scheduled_at BETWEEN :since AND :end AND window_end <= :end
  AND status IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN'))
"""
HELD = "SELECT EXISTS (SELECT FROM notification_schedule WHERE scheduled_at >= :since AND status = 'HELD')"
# An SMS bears no key: whose it is, its number and its text say.
TEXTS = text("""
SELECT DISTINCT recipient, encode(body_sha256, 'hex') AS body, encode(idempotency_key, 'hex') AS key
FROM notification_outbox WHERE channel = 'SMS'
""")
# What the event source doesn't ask for.
OF_THE_PRODUCT = {"AmazonSQS.SendMessageBatch", "AmazonSQS.GetQueueAttributes"}
QUEUE_FAULTS = {Kind.QUEUE_DOWN: answer(503), Kind.QUEUE_UNANSWERED: reset_after_accept}
LOSE_A_ROW = text("""
DELETE FROM notification_schedule WHERE idempotency_key = (
  SELECT idempotency_key FROM notification_schedule
  WHERE status IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENT') AND scheduled_at BETWEEN :since AND :until
  ORDER BY idempotency_key OFFSET :offset LIMIT 1)
""")


@dataclass(slots=True)
class Plan:
    """What a seed decides: which kinds of fault, when, on which base, and who sends: of e-mail the preferred first."""

    seed: int
    kinds: set[Kind]
    when: Period
    base: Callable[[Connection], None]
    providers: Sequence[str] = E_MAIL


def planned(seed: int) -> Plan:
    dice = random.Random(f"plan {seed}")
    kinds = set(dice.sample(list(Kind), dice.randint(1, MOST_KINDS)))
    days = 5 if Kind.MISSED_3_DAYS in kinds else 3 if Kind.MISSED_25_HOURS in kinds else 2
    when = period(seed, kinds, timedelta(days=days))
    base = partial(fill, seed=seed, when=when, people=dice.choice((4, 6, 8, 10)))
    first = dice.choice(E_MAIL)
    return Plan(seed, kinds, when, base, (first, *(name for name in E_MAIL if name != first)))


@dataclass(frozen=True, slots=True)
class QueueWeather:
    """What SQS does to single messages, each time that a body comes by."""

    weather: Weather
    _times: Counter[tuple[Kind, str]] = field(default_factory=Counter)

    def refuses(self, body: str) -> bool:
        return self._strikes(Kind.MESSAGE_REFUSED, body)

    def delays(self, body: str) -> timedelta:
        return self._minutes(Kind.MESSAGE_DELAYED, body, 90) or timedelta()

    def repeats(self, body: str) -> timedelta | None:
        return self._minutes(Kind.MESSAGE_REPEATED, body, 120)

    def _strikes(self, kind: Kind, body: str) -> bool:
        self._times[kind, body] += 1
        return self.weather.strikes(kind, body, self._times[kind, body])

    def _minutes(self, kind: Kind, body: str, most: int) -> timedelta | None:
        if not self._strikes(kind, body):
            return None
        dice = self.weather.dice("minutes", kind, body, self._times[kind, body])
        return timedelta(minutes=dice.uniform(1, most))


@dataclass(slots=True)
class Run:
    world: World
    plan: Plan
    weather: Weather
    # In place of what the weather does.
    provider_faults: Mapping[str, Fault] = field(default_factory=dict)
    next_life: Callable[[str], Life] | None = None
    retries: Sequence[timedelta] = RETRIES
    # How long what is on its way is waited for.
    grace: timedelta = GRACE
    _retries: list[tuple[datetime, int, str, Any, int]] = field(default_factory=list)
    _lives: Counter[str] = field(default_factory=Counter)
    _numbers: Iterator[int] = field(default_factory=count)
    _queue_requests: Iterator[int] = field(default_factory=count)
    _overtaking: Lock = field(default_factory=Lock)
    record: Record = field(init=False)
    _down: set[str] = field(default_factory=set)
    _pasts: list[Past] = field(default_factory=list)
    # What is known of the schedule until anything is invoked again.
    _next_due: datetime | None = None
    _reconciled_at: datetime | None = None

    def live(self) -> Verdict:
        with redirect_stdout(self.world.transcript.printed):
            self._begin()
            self._live()
            self.record = self._close()
        return self.judge(self.record)

    def _live(self) -> None:
        for tick in ticks(self.world.schedules, self.plan.when.start):
            self.weather.calm = tick.at >= self.plan.when.end
            self._do_what_comes_before(tick.at)
            if tick.schedule.function == CATCH_UP and self.weather.strikes(Kind.EDITED, tick.at):
                self._edit(tick.at)
            if self.weather.calm and tick.schedule.function == CATCH_UP and self._is_settled(tick.at):
                break
            if not self._is_missed(tick.at) and not self._is_idle(tick):
                self._move_to(tick.at)
                self._run_scheduled(tick)

    def _begin(self) -> None:
        when, world = self.plan.when, self.world
        world.reset(when.start, self.plan.seed, QueueWeather(self.weather), self.plan.providers)
        random.seed(self.plan.seed)  # the product's jitter
        with world.owner.begin() as connection:
            self.plan.base(connection)
        for function in (MAINTENANCE, RECONCILE):
            world.invoke(function, {})
        world.provider_faults = {
            **{vendor.double or vendor.name: self._meet(vendor) for vendor in VENDORS},
            **self.provider_faults,
        }
        world.queue_fault = self._meet_queue
        world.next_life = self.next_life or self._draw_life

    def _meet(self, vendor: Vendor) -> VendorWeather:
        clock, world = self.world.clock, self.world
        return VendorWeather(
            vendor,
            self.weather,
            clock.now,
            lambda: world.sending_since,
            clock.move_to,
            self._overtake,
            lambda: world.sending,
        )

    def _do_what_comes_before(self, instant: datetime) -> None:
        """Retries of failed invocations, and messages that show up on the queue."""
        while (due := self._next_between_ticks()) is not None and due <= instant:
            self._move_to(due)
            if self._retries and self._retries[0][0] <= due:
                _, _, function, event, attempt = heapq.heappop(self._retries)
                self._invoke(function, event, attempt)
            self.world.drain()

    def _next_between_ticks(self) -> datetime | None:
        retries = [self._retries[0][0]] if self._retries else []
        visible = self.world.next_visible()
        return min([*retries, *([visible] if visible else [])], default=None)

    def _move_to(self, instant: datetime) -> None:
        self.world.clock.move_to(instant)
        self._next_due = None
        for vendor in VENDORS:
            down = self.weather.is_unreachable(vendor.name, instant)
            if down != (vendor.name in self._down):
                self._down ^= {vendor.name}
                double = self.world.doubles[vendor.double or vendor.name]
                double.stop() if down else double.start()

    def _run_scheduled(self, tick: Tick) -> None:
        function = tick.schedule.function
        if self.weather.strikes(Kind.TWO_SCHEDULERS, function, tick.at):
            lives = [self.world.next_life(function) for _ in range(2)]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda life: self._invoke(function, tick.event, 0, life), lives))
        else:
            self._invoke(function, tick.event, 0)
        if function == RECONCILE:
            self._reconciled_at = tick.at
        if self.weather.strikes(Kind.ROW_LOST, function, tick.at):
            self._lose_a_row(tick.at)
        self.world.drain()

    def _invoke(self, function: str, event: Any, attempt: int, life: Life | None = None) -> None:
        answered = self.world.invoke(function, event, life)
        if answered.error is not None and attempt < len(self.retries):
            at = self.world.clock.true + self.retries[attempt]
            heapq.heappush(self._retries, (at, next(self._numbers), function, event, attempt + 1))

    def _draw_life(self, function: str) -> Life:
        self._lives[function] += 1
        which = (function, self._lives[function])
        steps = (answer.life.steps for answer in self.world.answers if answer.function == function)
        most = max(steps, default=FEW_STEPS)
        at = {
            kind: self.weather.dice("step", kind, *which).randint(0, most)
            for kind in (Kind.KILLED, Kind.DATABASE_LOST, Kind.COMMIT_UNANSWERED)
            if self.weather.would_strike(kind, *which)
        }
        return Life(
            dies_at=at.get(Kind.KILLED),
            database_lost_at=at.get(Kind.DATABASE_LOST),
            unanswered_at=at.get(Kind.COMMIT_UNANSWERED),
            dies_sending=function == DISPATCH and self.weather.would_strike(Kind.KILLED_SENDING, *which),
            skew=self.weather.skew(function),
        )

    def _overtake(self) -> None:
        """While one dispatcher waits for its answer, the others work on."""
        if not self._overtaking.acquire(blocking=False):
            return
        try:
            self.world.clock.move_to(self.world.sending_since + PAUSE)
            for function in (SCAN, CATCH_UP):
                self.world.invoke(function, {}, Life(skew=self.weather.skew(function)))
        finally:
            self._overtaking.release()

    def _meet_queue(self, exchange: Exchange) -> None:
        request = exchange.read()
        which = (request.headers["X-Amz-Target"], next(self._queue_requests))
        if request.headers["X-Amz-Target"] in OF_THE_PRODUCT:
            for kind, fault in QUEUE_FAULTS.items():
                if self.weather.strikes(kind, *which):
                    self.world.disturbances += 1
                    fault(exchange)
                    return
        answer_normally(exchange)

    def _lose_a_row(self, at: datetime) -> None:
        near = timedelta(days=1)
        chosen = {
            "since": at - near,
            "until": at + near,
            "offset": self.weather.dice("row", at).randint(0, 5),
        }
        with self.world.owner.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(LOSE_A_ROW, chosen)

    def _edit(self, at: datetime) -> None:
        self._move_to(at)
        engine, limits = runtime().engine, runtime().settings
        calls = called_for(engine, self.plan.when.start, self.plan.when.end + self.grace, self._rules)
        self._pasts.append(Past(at, {call.key: call for call in calls}, on_their_way(engine)))
        reach = bounds(at, horizon_months=limits.horizon_months, lookback_days=limits.lookback_days)
        edit(engine, reach, self.weather.dice("edit", at))

    @property
    def _rules(self) -> Rules:
        return replace(rules(runtime().late_policy), tolerance=self.tolerance)

    def _is_missed(self, at: datetime) -> bool:
        return any(self.weather.lasts(kind, at) for kind in MISSED)

    def _is_idle(self, tick: Tick) -> bool:
        """It would find nothing to do: what most minutes and many hours are."""
        match tick.schedule.function:
            case "ScanFunction":
                if self._next_due is None:
                    due = self._see(NEXT_DUE, now=tick.at - MOST_SKEW, until=self.plan.when.end + self.grace)
                    self._next_due = due or self.plan.when.end + 2 * self.grace
                return self._next_due > tick.at + self.weather.skew(SCAN)
            case "CatchUpFunction":
                return not self._see(UNSETTLED, now=tick.at + self.weather.skew(CATCH_UP))
            case "WatchdogFunction":
                return tick.at.hour % WATCHED_HOURS > 0
        return False

    def _see(self, sql: str, **parameters: Any) -> Any:
        """Of the rows that a run may be about: it would read the partitions of all months."""
        return self.world.scalar(sql, since=self.plan.when.start - RELEVANT, **parameters)

    def _is_settled(self, at: datetime) -> bool:
        end = self.plan.when.end
        healed = not self.plan.kinds & {Kind.ROW_LOST, Kind.EDITED} or (
            self._reconciled_at is not None and self._reconciled_at > end
        )
        on_its_way = self._see(ON_ITS_WAY, end=end) or (at < end + ASKED_AGAIN and self._see(HELD))
        return (healed and not on_its_way and not self._retries) or at > end + self.grace

    def _close(self) -> Record:
        """What there is to judge by; the last word have reconcile and the watchdog."""
        world, texts = self.world, self._texts()
        final = [world.invoke(RECONCILE, {}, Life()), world.invoke(WATCHDOG, {"everybody": True}, Life())]
        for answered in world.answers:
            for kind in answered.life.suffered:
                self.weather.count(kind)
        failures = [f"{each.function}: {each.error}" for each in world.answers if each.is_inexplicable]
        return Record(
            [message if message.key else _named(message, texts) for message in world.received],
            world.queue.bodies,
            world.transcript.text,
            failures,
            *(each.value for each in final),
        )

    def _texts(self) -> Mapping[tuple[str, str], str]:
        with self.world.owner.connect() as connection:
            return {(row.recipient, row.body): row.key for row in connection.execute(TEXTS)}

    def judge(self, record: Record) -> Verdict:
        when = self.plan.when
        return judge(
            runtime().engine,
            record,
            self._can_tell,
            start=when.start,
            end=when.end,
            until=self.world.clock.true + timedelta(minutes=1),
            rules=self._rules,
            pasts=self._pasts,
        )

    def _can_tell(self, provider: str, age: timedelta) -> bool:
        """Whether a provider, asked about what it was given so long ago, could say if it took it."""
        vendor = next(vendor for vendor in VENDORS if vendor.name == provider)
        return not self.weather.is_blind(provider) and age < vendor.probe_reaches

    @property
    def tolerance(self) -> timedelta:
        """How far what left may be off by the doubles' clock, and no function is to blame."""
        slow = MOST_LATENCY + PAUSE if self.plan.kinds & {Kind.LATENCY, Kind.OVERTAKEN} else timedelta()
        return slow + (2 * MOST_SKEW if Kind.CLOCK_SKEW in self.plan.kinds else timedelta())


def _named(message: ReceivedText, texts: Mapping[tuple[str, str], str]) -> ReceivedText:
    body = hashlib.sha256(message.body.encode()).hexdigest()
    return replace(message, key=texts.get((message.to, body), f"nobody's: {body}"))


def simulate(world: World, seed: int) -> Run:
    plan = planned(seed)
    providers = [*plan.providers, TWILIO.name]
    return Run(world, plan, draw(seed, plan.when.start, plan.when.length, plan.kinds, providers))
