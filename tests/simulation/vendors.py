"""How each provider's double behaves in a run's weather. A further provider is one more Vendor."""

import hashlib
import json
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

# Of one exchange with a provider, in real seconds: the least that the settings take.
TIMEOUT = 1
# What one request may meet, and whether only a message meets it; the others befall questions too.
REQUEST_FAULTS: Mapping[Kind, Fault] = {
    Kind.TOO_MANY_REQUESTS: faults.answer(429, headers={"Retry-After": "150"}),
    Kind.SERVER_ERROR: faults.answer(503),
    Kind.SERVER_ERROR_TAKEN: faults.accept_then_answer(502),
    Kind.RESET_BEFORE: faults.reset_unread,
    Kind.RESET_AFTER: faults.reset_after_accept,
    Kind.SILENCE_AFTER: faults.close_after_accept,
    Kind.GARBLED: faults.garble_after_accept,
    Kind.NO_ANSWER: faults.delay(1.5 * TIMEOUT),
}
ASK, SEND = "ask", "send"


@dataclass(frozen=True, slots=True)
class Vendor:
    """`steps`: by name, what its requests look like, as "METHOD path". By SEND a message leaves, by ASK it is sought.

    `refusal`: its answer to a message that it will never take, at that step. `nothing`: its answer when it knows of
    nothing, None where what it took can be seen at once. `probe_reaches`: for how long it can tell what it took.
    """

    name: str
    steps: Mapping[str, str]
    refusal: Reply
    nothing: Reply | None = None
    refuses_at: str = SEND
    double: str = ""
    probe_reaches: timedelta = timedelta(days=30)

    def step(self, exchange: Exchange) -> str:
        return next((step for step, line in self.steps.items() if re.match(line, exchange.line)), "")


SENDGRID = Vendor(
    "sendgrid",
    {SEND: "POST /v3/mail/send", ASK: "POST /v3/logs"},
    refusal=Reply(400, {"errors": [{"message": "no", "field": "content.0.value", "help": None}]}),
    nothing=Reply(200, {"messages": []}),
)
GRAPH = Vendor(
    "graph",
    {
        SEND: "POST .*/send$",
        ASK: "GET .*/messages",
        "draft": "POST .*/messages$",
        "purge": "POST .*/permanentDelete$",
    },
    refusal=Reply(400, {"error": {"code": "ErrorInvalidRecipients", "message": "no"}}),
    refuses_at="draft",
)
MAILGUN = Vendor(
    "mailgun",
    {SEND: "POST /v3/.*/messages", ASK: "POST /v1/analytics/logs"},
    refusal=Reply(400, {"message": "to parameter is not a valid address"}),
    nothing=Reply(200, {"items": [], "pagination": {}, "aggregates": {}}),
    probe_reaches=timedelta(days=1),
)
TWILIO = Vendor(
    "twilio-sms",
    {SEND: "POST .*/Messages.json", ASK: "GET .*/Messages.json"},
    refusal=Reply(400, {"code": 21610, "message": "no", "more_info": "", "status": 400}),
    nothing=Reply(200, {"messages": [], "page": 0, "page_size": 1000, "next_page_uri": None}),
    double="twilio",
)
VENDORS = (SENDGRID, GRAPH, MAILGUN, TWILIO)


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
    # Has receipts of what was just taken told at once.
    tell: Callable[[], None]
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _taken: dict[str, datetime] = field(default_factory=dict)
    # What drafts are about, by their ids.
    _drafts: dict[str, str] = field(default_factory=dict)

    def __call__(self, exchange: Exchange) -> None:
        step, what = self.vendor.step(exchange), self._what(exchange)
        self._asked[step, what] += 1
        which = (self.vendor.name, step, what, self._asked[step, what])
        life = self.sending()
        if life is not None and life.dies_sending and step == SEND:
            self._die(life, exchange, which)
        elif self.weather.out_of_order(self.vendor.name, self.now()):
            REQUEST_FAULTS[Kind.SERVER_ERROR](exchange)
        elif step == ASK:
            self._answer_question(exchange, what, which)
        else:
            self._take(exchange, step, what, which)

    def _what(self, exchange: Exchange) -> str:
        """Which message a request is about, in words that the same seed uses again."""
        request = exchange.read()
        found = KEY.search(exchange.line.encode() + request.body)
        if found:
            return found[0].decode()
        draft = next((key for draft, key in self._drafts.items() if draft in exchange.line), None)
        return draft or hashlib.sha256(request.body).hexdigest()

    def _take(self, exchange: Exchange, step: str, what: str, which: tuple[object, ...]) -> None:
        if step == self.vendor.refuses_at and self.weather.strikes(Kind.REFUSED, *which):
            exchange.reply(self.vendor.refusal)
            return
        if step == SEND and self.weather.strikes(Kind.OVERTAKEN, *which):
            self.meanwhile()
        if self.weather.strikes(Kind.LATENCY, *which):
            self.move_to(self.since() + MOST_LATENCY * self.weather.dice("latency", *which).random())
        # Whether or not this one is taken: the log then lags behind nothing.
        self._taken.setdefault(what, self.now())
        if step == "draft":
            self._draft(exchange, what, which)
        elif step == SEND and self.weather.strikes(Kind.RECEIPT_EARLY, *which):
            reply = exchange.process()
            self.tell()
            exchange.reply(reply)
        else:
            self._fault(which)(exchange)

    def _draft(self, exchange: Exchange, what: str, which: tuple[object, ...]) -> None:
        fault = self._fault(which)
        if fault is not answer_normally:
            fault(exchange)
            return
        reply = exchange.process()
        self._drafts[json.loads(json.dumps(reply.body)).get("id", "")] = what
        exchange.reply(reply)

    def _answer_question(self, exchange: Exchange, what: str, which: tuple[object, ...]) -> None:
        if self.weather.is_blind(self.vendor.name):
            self.weather.count(Kind.BLIND)
            faults.answer(403)(exchange)
            return
        lag = MOST_LAG * self.weather.dice("lag", what).random()
        recent = what in self._taken and self.now() - self._taken[what] < lag
        if self.vendor.nothing and recent and self.weather.strikes(Kind.LOG_LAG, *which):
            exchange.reply(self.vendor.nothing)
        else:
            self._fault(which)(exchange)

    def _fault(self, which: tuple[object, ...]) -> Fault:
        spared = self.weather.spares
        struck = (
            fault
            for kind, fault in REQUEST_FAULTS.items()
            if not spared(kind, self.vendor.name) and self.weather.strikes(kind, *which)
        )
        return next(struck, answer_normally)

    def _die(self, life: Life, exchange: Exchange, which: tuple[object, ...]) -> None:
        """Each message of the batch had left or not, and nobody is there to hear."""
        if not life.dead:
            life.dead = True
            life.suffered.add(Kind.KILLED_SENDING)
        if self.weather.dice("left", *which).random() < 0.5:
            exchange.process()
        exchange.reset()
