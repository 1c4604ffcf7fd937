"""How each provider's double behaves in a run's weather. A further provider is one more Vendor."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.doubles import faults
from local.doubles.server import Exchange, Fault, Reply, answer_normally
from tests.simulation.lives import Life
from tests.simulation.weather import MOST_LATENCY, Kind, Weather

KEY = re.compile(rb"[0-9a-f]{64}")
# With the clocks apart and an answer that comes at the last moment: less than catch-up waits before it asks.
MOST_LAG = timedelta(minutes=3)

# What one request may meet, and whether only a message meets it; the others befall questions too.
REQUEST_FAULTS: Mapping[Kind, Fault] = {
    Kind.TOO_MANY_REQUESTS: faults.answer(429, headers={"Retry-After": "150"}),
    Kind.SERVER_ERROR: faults.answer(503),
    Kind.SERVER_ERROR_TAKEN: faults.accept_then_answer(502),
    Kind.RESET_BEFORE: faults.reset_unread,
    Kind.RESET_AFTER: faults.reset_after_accept,
    Kind.SILENCE_AFTER: faults.close_after_accept,
    Kind.GARBLED: faults.garble_after_accept,
}


@dataclass(frozen=True, slots=True)
class Vendor:
    """`questions`: the paths of its probe, and what it answers there when it knows of nothing."""

    name: str
    questions: Mapping[str, Reply]
    refusal: Reply


SENDGRID = Vendor(
    "sendgrid",
    questions={"/v3/logs": Reply(200, {"messages": []})},
    refusal=Reply(400, {"errors": [{"message": "no", "field": "content.0.value", "help": None}]}),
)
VENDORS = (SENDGRID,)


@dataclass(slots=True)
class VendorWeather:
    """Asked before every request to one double.

    `since`: when the sender began, as all that its answers take counts from there. `meanwhile` lets other functions
    run before the answer; `sending` is the dispatcher that may be dying.
    """

    vendor: Vendor
    weather: Weather
    now: Callable[[], datetime]
    since: Callable[[], datetime]
    move_to: Callable[[datetime], None]
    meanwhile: Callable[[], None]
    sending: Callable[[], Life | None]
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _taken: dict[str, datetime] = field(default_factory=dict)

    def __call__(self, exchange: Exchange) -> None:
        request = exchange.read()
        found = KEY.search(request.body)
        key = found[0].decode() if found else ""
        self._asked[request.path, key] += 1
        which = (self.vendor.name, request.path, key, self._asked[request.path, key])
        is_question = request.path in self.vendor.questions
        life = self.sending()
        if life is not None and life.dies_sending and not is_question:
            self._die(life, exchange, which)
            return
        if self.weather.lasts(Kind.OUTAGE, self.now()):
            REQUEST_FAULTS[Kind.SERVER_ERROR](exchange)
            return
        if is_question:
            self._answer_question(exchange, key, which)
        else:
            self._take(exchange, key, which)

    def _take(self, exchange: Exchange, key: str, which: tuple[object, ...]) -> None:
        if self.weather.strikes(Kind.REFUSED, *which):
            exchange.reply(self.vendor.refusal)
            return
        if self.weather.strikes(Kind.OVERTAKEN, *which):
            self.meanwhile()
        if self.weather.strikes(Kind.LATENCY, *which):
            self.move_to(self.since() + MOST_LATENCY * self.weather.dice("latency", *which).random())
        # Whether or not this one is taken: the log then lags behind nothing.
        self._taken.setdefault(key, self.now())
        self._fault(which)(exchange)

    def _answer_question(self, exchange: Exchange, key: str, which: tuple[object, ...]) -> None:
        lag = MOST_LAG * self.weather.dice("lag", key).random()
        recent = key in self._taken and self.now() - self._taken[key] < lag
        if recent and self.weather.strikes(Kind.LOG_LAG, *which):
            exchange.reply(self.vendor.questions[exchange.read().path])
        else:
            self._fault(which)(exchange)

    def _fault(self, which: tuple[object, ...]) -> Fault:
        struck = (fault for kind, fault in REQUEST_FAULTS.items() if self.weather.strikes(kind, *which))
        return next(struck, answer_normally)

    def _die(self, life: Life, exchange: Exchange, which: tuple[object, ...]) -> None:
        """Each message of the batch had left or not, and nobody is there to hear."""
        if not life.dead:
            life.dead = True
            life.suffered.add(Kind.KILLED_SENDING)
        if self.weather.dice("left", *which).random() < 0.5:
            exchange.process()
        exchange.reset()
