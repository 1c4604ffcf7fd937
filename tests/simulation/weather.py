"""What goes wrong in one run. A seed decides it, by what it happens to and never by when it is asked.

So the same seed does the same to the same message, however threads interleave.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock


class Kind(StrEnum):
    """A fault, as the table of a simulation names it."""

    OUTAGE = "provider answers 503 for hours"
    OUTAGE_OF_ALL = "all providers answer 503 for hours"
    UNREACHABLE = "provider can't be reached for hours"
    ALL_UNREACHABLE = "no provider can be reached for hours"
    BLIND = "provider never says what it took"
    TOO_MANY_REQUESTS = "429 with Retry-After"
    SERVER_ERROR = "5xx, not taken"
    SERVER_ERROR_TAKEN = "5xx, taken all the same"
    RESET_BEFORE = "connection reset before accept"
    RESET_AFTER = "connection reset after accept"
    SILENCE_AFTER = "accepted, then no answer"
    GARBLED = "accepted, then garbled"
    REFUSED = "refused for good"
    LATENCY = "answer takes seconds"
    OVERTAKEN = "scan and catch-up run before the answer"
    LOG_LAG = "provider's log lags minutes behind"
    NO_ANSWER = "accepted, then silence until we give up"
    RETURNED = "message comes back"
    RECEIPT_LATE = "receipt hours late"
    RECEIPT_REPEATED = "receipt told again"
    RECEIPTS_DISORDERED = "receipts out of order"
    RECEIPT_EARLY = "receipt before the answer"
    RECEIPT_NEVER = "receipt never comes"
    RECEIPT_FORGED = "receipt forged"
    KILLED = "killed at a statement"
    KILLED_SENDING = "killed while the provider has the batch"
    DATABASE_LOST = "database connections lost"
    DATABASE_CRASHED = "database server crashes"
    COMMIT_UNANSWERED = "commit done, answer lost"
    ROW_LOST = "row of the schedule lost"
    EDITED = "base edited meanwhile"
    MISSED_MINUTE = "schedules missed for a minute"
    MISSED_HOUR = "schedules missed for an hour"
    MISSED_25_HOURS = "schedules missed for 25 hours"
    MISSED_3_DAYS = "schedules missed for 3 days"
    TWO_SCHEDULERS = "two schedulers at once"
    CLOCK_SKEW = "clocks of functions apart"
    MESSAGE_REFUSED = "queue refuses a message"
    MESSAGE_DELAYED = "queue holds a message back"
    MESSAGE_REPEATED = "queue delivers once more"
    QUEUE_DOWN = "queue answers 503"
    QUEUE_UNANSWERED = "queue took it, answer lost"
    CLOCKS_FORWARD = "summer time begins"
    CLOCKS_BACK = "summer time ends"


# How often each strikes where it may, in the runs that have it: of requests, messages or invocations.
INTENSITY: Mapping[Kind, tuple[float, float]] = {
    Kind.TOO_MANY_REQUESTS: (0.05, 0.5),
    Kind.SERVER_ERROR: (0.05, 0.5),
    Kind.SERVER_ERROR_TAKEN: (0.05, 0.5),
    Kind.RESET_BEFORE: (0.05, 0.5),
    Kind.RESET_AFTER: (0.05, 0.5),
    Kind.SILENCE_AFTER: (0.05, 0.5),
    Kind.GARBLED: (0.05, 0.3),
    Kind.REFUSED: (0.05, 0.2),
    Kind.LATENCY: (0.1, 0.9),
    Kind.OVERTAKEN: (0.1, 0.5),
    Kind.LOG_LAG: (0.5, 1.0),
    Kind.NO_ANSWER: (0.05, 0.2),
    Kind.RETURNED: (0.1, 0.6),
    Kind.RECEIPT_LATE: (0.2, 1.0),
    Kind.RECEIPT_REPEATED: (0.2, 1.0),
    Kind.RECEIPTS_DISORDERED: (0.5, 1.0),
    Kind.RECEIPT_EARLY: (0.2, 1.0),
    Kind.RECEIPT_NEVER: (0.1, 0.6),
    Kind.RECEIPT_FORGED: (0.2, 1.0),
    Kind.KILLED: (0.05, 0.4),
    Kind.KILLED_SENDING: (0.1, 0.5),
    Kind.DATABASE_LOST: (0.02, 0.2),
    Kind.DATABASE_CRASHED: (0.02, 0.08),
    Kind.COMMIT_UNANSWERED: (0.02, 0.2),
    Kind.ROW_LOST: (0.02, 0.2),
    Kind.EDITED: (0.02, 0.15),
    Kind.TWO_SCHEDULERS: (0.3, 1.0),
    Kind.MESSAGE_REFUSED: (0.05, 0.4),
    Kind.MESSAGE_DELAYED: (0.05, 0.4),
    Kind.MESSAGE_REPEATED: (0.1, 0.6),
    Kind.QUEUE_DOWN: (0.05, 0.3),
    Kind.QUEUE_UNANSWERED: (0.05, 0.3),
}
# How long each lasts, once in a run.
SPELLS: Mapping[Kind, tuple[timedelta, timedelta]] = {
    Kind.OUTAGE: (timedelta(minutes=10), timedelta(hours=9)),
    Kind.OUTAGE_OF_ALL: (timedelta(minutes=10), timedelta(hours=9)),
    Kind.UNREACHABLE: (timedelta(minutes=10), timedelta(hours=9)),
    Kind.ALL_UNREACHABLE: (timedelta(minutes=10), timedelta(hours=9)),
    Kind.MISSED_MINUTE: (timedelta(minutes=1), timedelta(minutes=1)),
    Kind.MISSED_HOUR: (timedelta(hours=1), timedelta(hours=1)),
    Kind.MISSED_25_HOURS: (timedelta(hours=25), timedelta(hours=25)),
    Kind.MISSED_3_DAYS: (timedelta(days=3), timedelta(days=3)),
}
# What one provider of several suffers: mostly the one that all prefer.
OF_ONE_PROVIDER = (Kind.OUTAGE, Kind.UNREACHABLE, Kind.BLIND)
# What needs vendors that tell what became of messages.
OF_RECEIPTS = {
    Kind.RETURNED, Kind.RECEIPT_LATE, Kind.RECEIPT_REPEATED, Kind.RECEIPTS_DISORDERED, Kind.RECEIPT_EARLY,
    Kind.RECEIPT_NEVER, Kind.RECEIPT_FORGED,
}  # fmt: skip
MISSED = (Kind.MISSED_MINUTE, Kind.MISSED_HOUR, Kind.MISSED_25_HOURS, Kind.MISSED_3_DAYS)
MOST_SKEW = timedelta(seconds=90)
MOST_LATENCY = timedelta(seconds=12)


@dataclass(frozen=True, slots=True)
class Spell:
    start: datetime
    end: datetime

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end


@dataclass(slots=True)
class Weather:
    """The kinds of one run; `injected` counts what really struck."""

    seed: int
    intensity: Mapping[Kind, float] = field(default_factory=dict)
    spells: Mapping[Kind, Spell] = field(default_factory=dict)
    # Of the kinds that one provider of several suffers, which.
    victims: Mapping[Kind, str] = field(default_factory=dict)
    # Providers, the preferred first.
    providers: Sequence[str] = ()
    skewed: bool = False
    calm: bool = False
    injected: Counter[Kind] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def strikes(self, kind: Kind, *what: object) -> bool:
        if not self.would_strike(kind, *what):
            return False
        self.count(kind)
        return True

    def would_strike(self, kind: Kind, *what: object) -> bool:
        """Without counting it: it may come to nothing."""
        likely = self.intensity.get(kind, 0.0)
        return not self.calm and likely > 0 and self.dice(kind, *what).random() < likely

    def lasts(self, kind: Kind, at: datetime) -> bool:
        if self.calm or kind not in self.spells or at not in self.spells[kind]:
            return False
        self.injected[kind] = 1
        return True

    def out_of_order(self, provider: str, at: datetime) -> bool:
        return self.lasts(Kind.OUTAGE_OF_ALL, at) or (
            self.victims.get(Kind.OUTAGE) == provider and self.lasts(Kind.OUTAGE, at)
        )

    def is_unreachable(self, provider: str, at: datetime) -> bool:
        return self.lasts(Kind.ALL_UNREACHABLE, at) or (
            self.victims.get(Kind.UNREACHABLE) == provider and self.lasts(Kind.UNREACHABLE, at)
        )

    def is_blind(self, provider: str) -> bool:
        """For good: no calm ends it."""
        return self.victims.get(Kind.BLIND) == provider

    def spares(self, kind: Kind, provider: str) -> bool:
        """Who stands in may be well: else nothing would ever be stood in for."""
        return provider in self.providers[1:] and self.dice("spared", kind, provider).random() < 0.5

    def count(self, kind: Kind) -> None:
        with self._lock:
            self.injected[kind] += 1

    def dice(self, *what: object) -> random.Random:
        told = "|".join(map(str, (self.seed, *what)))
        return random.Random(hashlib.sha256(told.encode()).digest())

    def skew(self, function: str) -> timedelta:
        """How far a function's clock is off, the same through the whole run."""
        if self.calm or not self.skewed:
            return timedelta()
        return MOST_SKEW * self.dice(Kind.CLOCK_SKEW, function).uniform(-1, 1)


def draw(
    seed: int, start: datetime, length: timedelta, kinds: set[Kind], providers: Sequence[str]
) -> Weather:
    """The weather of a run that has these kinds of fault."""
    dice = random.Random(f"weather {seed}")
    intensity = {kind: dice.uniform(*INTENSITY[kind]) for kind in Kind if kind in kinds and kind in INTENSITY}
    spells = {}
    for kind in (kind for kind in Kind if kind in kinds and kind in SPELLS):
        shortest, longest = SPELLS[kind]
        lasts = dice.uniform(shortest.total_seconds(), longest.total_seconds())
        begins = dice.uniform(0, max(0.0, length.total_seconds() - lasts))
        at = start + timedelta(seconds=begins)
        spells[kind] = Spell(at, at + timedelta(seconds=lasts))
    weights = [2 * len(providers), *[1] * (len(providers) - 1)]
    victims = {kind: dice.choices(providers, weights)[0] for kind in OF_ONE_PROVIDER if kind in kinds}
    weather = Weather(seed, intensity, spells, victims, providers=providers, skewed=Kind.CLOCK_SKEW in kinds)
    for kind in kinds & {Kind.CLOCK_SKEW, Kind.CLOCKS_FORWARD, Kind.CLOCKS_BACK}:
        weather.count(kind)
    return weather
