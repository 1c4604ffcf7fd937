"""One seed lived through: its days with their faults, then quiet days until nothing is on its way, then the judge."""

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Row, text

from local.demo import rules
from local.doubles.faults import answer, reset_after_accept
from local.doubles.received import ReceivedText
from local.doubles.server import Exchange, Fault, answer_normally
from local.proof import Rules, called_for
from local.schedules import Tick, next_tick, ticks
from local.template import Schedule
from nolapse.planning.plan import bounds
from nolapse.runtime.bootstrap import runtime
from tests.simulation.base import CHANGES, Period, changes, fill, period
from tests.simulation.edits import Past, edit, on_their_way
from tests.simulation.judge import Record, Verdict, judge
from tests.simulation.lives import Life
from tests.simulation.receipts import Tidings
from tests.simulation.vendors import TWILIO, VENDORS, Vendor, VendorWeather
from tests.simulation.weather import MISSED, MOST_LATENCY, MOST_SKEW, OF_RECEIPTS, Kind, Weather, draw
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
# What waits for a late window is looked at so often, once that was in vain and nothing else has happened.
LATE_HOURS = 4
EPOCH, HOUR, INSTANT = datetime(1970, 1, 1, tzinfo=UTC), timedelta(hours=1), timedelta(microseconds=1)
# They change nothing: they need not look as often as they do, and at the end the watchdog looks at everybody.
IDLE_HOURS = {"WatchdogFunction": 24, "ForecastFunction": 72}
# A night of quiet hours and a few late messages of one person, twice over.
GRACE = timedelta(days=6)
# What was held in bad weather is asked about again every hour.
ASKED_AGAIN = timedelta(hours=3)
# What closed longer ago than that before a run is too old for it.
RELEVANT = timedelta(days=30)

# What lies ahead of the scheduled functions, until anything happens: when scan next finds something that is due, and
# when catch-up something to set right; and what the run still waits for.
AHEAD = """
SELECT
  min(next_attempt_at) FILTER (
    WHERE claimed_at IS NULL AND send_by > greatest(:now, next_attempt_at) AND next_attempt_at < 'infinity') AS scan,
  min(CASE WHEN status IN ('PENDING', 'LATE_PENDING') THEN send_by ELSE scheduled_at END)
    FILTER (WHERE status IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN', 'HELD')) AS catch_up,
  min(scheduled_at) FILTER (WHERE status = 'LATE_PENDING' AND send_by = 'infinity') AS late,
  coalesce(bool_or(window_end <= :end AND status IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN')), false)
    AS on_its_way,
  coalesce(bool_or(status = 'HELD'), false) AS held
FROM notification_schedule WHERE scheduled_at BETWEEN :since AND :until
"""
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
RETURNING encode(idempotency_key, 'hex')
""")


@dataclass(slots=True)
class Plan:
    """What a seed decides: which kinds of fault, when, on which base, and who sends: of e-mail the preferred first."""

    seed: int
    kinds: set[Kind]
    when: Period
    base: Callable[[Connection], None]
    providers: Sequence[str] = E_MAIL
    # Whether vendors tell what became of messages.
    tells: bool = False


def planned(seed: int) -> Plan:
    dice = random.Random(f"plan {seed}")
    possible = [kind for kind in Kind if kind not in CHANGES or kind in changes(seed)]
    kinds = set(dice.sample(possible, dice.randint(1, MOST_KINDS)))
    days = 5 if Kind.MISSED_3_DAYS in kinds else 3 if Kind.MISSED_25_HOURS in kinds else 2
    when = period(seed, kinds, timedelta(days=days))
    base = partial(fill, seed=seed, when=when, people=dice.choice((4, 6, 8, 10)))
    first = dice.choice(E_MAIL)
    providers = (first, *(name for name in E_MAIL if name != first))
    return Plan(seed, kinds, when, base, providers, bool(kinds & OF_RECEIPTS) or dice.random() < 0.3)


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
    tidings: Tidings = field(init=False)
    _down: set[str] = field(default_factory=set)
    _pasts: list[Past] = field(default_factory=list)
    _rows_lost: set[str] = field(default_factory=set)
    # What is known of the schedule until anything happens again.
    _known: Row[Any] | None = None
    _reconciled_at: datetime | None = None
    # Catch-up was the last to run, and found nothing.
    _in_vain: bool = False

    def live(self) -> Verdict:
        with redirect_stdout(self.world.transcript.printed):
            self._begin()
            self._live()
            self.record = self._close()
        return self.judge(self.record)

    def _live(self) -> None:
        """From one instant at which anything can happen to the next."""
        (minutely,) = (schedule for schedule in self.world.schedules if schedule.function == SCAN)
        scanned = self.plan.when.start
        coming = ticks([each for each in self.world.schedules if each is not minutely], scanned)
        tick = next(coming)
        while True:
            scan, between = self._next_scan(minutely, scanned), self._next_between_ticks()
            if between is not None and between <= min(scan, tick.at):
                self._do_what_comes_between(between)
            elif scan <= tick.at:
                scanned = scan
                self._run_scheduled(Tick(scan, minutely))
            elif self._is_over(tick):
                self._move_to(tick.at)
                return
            else:
                self._come_to(tick)
                tick = next(coming)

    def _come_to(self, tick: Tick) -> None:
        self.weather.calm = tick.at >= self.plan.when.end
        if tick.schedule.function == CATCH_UP and self.weather.strikes(Kind.EDITED, tick.at):
            self._edit(tick.at)
        if not self._is_missed(tick.at) and not self._is_idle(tick):
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
        self.tidings = Tidings(world, self.weather)
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
            self._tell_at_once,
        )

    def _do_what_comes_between(self, instant: datetime) -> None:
        """A retry of a failed invocation, what a vendor says, or messages that show up on the queue."""
        self._in_vain = False
        self._move_to(instant)
        self.tidings.tell(instant)
        if self._retries and self._retries[0][0] <= instant:
            _, _, function, event, attempt = heapq.heappop(self._retries)
            self._invoke(function, event, attempt)
        self.world.drain()

    def _next_between_ticks(self) -> datetime | None:
        retries = [self._retries[0][0]] if self._retries else []
        visible = self.world.next_visible()
        if self.plan.tells:
            self.tidings.listen()
        return min([*retries, *filter(None, [visible, self.tidings.next_at])], default=None)

    def _move_to(self, instant: datetime) -> None:
        self.weather.calm = instant >= self.plan.when.end
        self.world.clock.move_to(instant)
        self._known = None
        for vendor in VENDORS:
            down = self.weather.is_unreachable(vendor.name, instant)
            if down != (vendor.name in self._down):
                self._down ^= {vendor.name}
                double = self.world.doubles[vendor.double or vendor.name]
                double.stop() if down else double.start()

    def _run_scheduled(self, tick: Tick) -> None:
        function = tick.schedule.function
        self._move_to(tick.at)
        if self.weather.strikes(Kind.TWO_SCHEDULERS, function, tick.at):
            lives = [self.world.next_life(function) for _ in range(2)]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda life: self._invoke(function, tick.event, 0, life), lives))
        else:
            self._invoke(function, tick.event, 0)
        if function == RECONCILE:
            self._reconciled_at = tick.at
        last = self.world.answers[-1]
        self._in_vain = function == CATCH_UP and last.error is None and not any(last.value.values())
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
            for kind in (Kind.KILLED, Kind.DATABASE_LOST, Kind.DATABASE_CRASHED, Kind.COMMIT_UNANSWERED)
            if self.weather.would_strike(kind, *which)
        }
        return Life(
            dies_at=at.get(Kind.KILLED),
            database_lost_at=at.get(Kind.DATABASE_LOST),
            database_crashes_at=at.get(Kind.DATABASE_CRASHED),
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

    def _tell_at_once(self) -> None:
        if self.plan.tells:
            self.tidings.tell_at_once()

    def _meet_queue(self, exchange: Exchange) -> None:
        request = exchange.read()
        which = (request.headers["X-Amz-Target"], next(self._queue_requests))
        if request.headers["X-Amz-Target"] in OF_THE_PRODUCT:
            for kind, fault in QUEUE_FAULTS.items():
                if self.weather.strikes(kind, *which):
                    with self.world.disturbance():
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
            self._rows_lost.update(connection.scalars(LOSE_A_ROW, chosen))

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

    def _next_scan(self, schedule: Schedule, last: datetime) -> datetime:
        """The next tick at which it would find something to do, and is not missed."""
        due = (self._ahead.scan or self.plan.when.end + 2 * self.grace) - self.weather.skew(SCAN)
        at = next_tick(schedule.expression, max(last, due - INSTANT))
        while missed := [self.weather.spells[kind] for kind in MISSED if self.weather.lasts(kind, at)]:
            at = next_tick(schedule.expression, max(spell.end for spell in missed) - INSTANT)
        return at

    def _is_idle(self, tick: Tick) -> bool:
        """It would find nothing to do, as in many hours."""
        function = tick.schedule.function
        if function == CATCH_UP:
            now = tick.at + self.weather.skew(CATCH_UP)
            ahead, in_vain = self._ahead, self._in_vain and tick.at.hour % LATE_HOURS > 0
            return not any(
                at is not None and at != "infinity" and at <= now
                for at in (ahead.catch_up, None if in_vain else ahead.late)
            )
        return function in IDLE_HOURS and (tick.at - EPOCH) // HOUR % IDLE_HOURS[function] > 0

    @property
    def _ahead(self) -> Row[Any]:
        """Of the rows that a run may be about."""
        if self._known is None:
            when = self.plan.when
            self._known = self.world.look(
                AHEAD,
                now=self.world.clock.true - MOST_SKEW,
                end=when.end,
                since=when.start - RELEVANT,
                until=when.end + self.grace,
            )
        return self._known

    def _is_over(self, tick: Tick) -> bool:
        return (
            tick.at >= self.plan.when.end and tick.schedule.function == CATCH_UP and self._is_settled(tick.at)
        )

    def _is_settled(self, at: datetime) -> bool:
        end = self.plan.when.end
        healed = not self.plan.kinds & {Kind.ROW_LOST, Kind.EDITED} or (
            self._reconciled_at is not None and self._reconciled_at > end
        )
        on_its_way = self._ahead.on_its_way or (at < end + ASKED_AGAIN and self._ahead.held)
        waiting = on_its_way or self._retries or self.tidings.next_at
        return (healed and not waiting) or at > end + self.grace

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
            stories=self.tidings.stories,
            believed=self.tidings.believed,
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
            rows_lost=self._rows_lost,
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
