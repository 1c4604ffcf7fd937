"""What vendors say later about what they took, signed as each signs: late, again, out of order, forged, or never.

Graph says nothing. Told by the product's own webhook, each call an invocation that may die like any other.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count
from threading import RLock
from typing import Any

from local.doubles.received import ReceivedEmail, ReceivedText
from local.doubles.webhooks import Call, MailgunWebhook, SendGridWebhook, TwilioWebhook
from local.http import Api
from local.receipts import Receipts, Webhooks
from tests.simulation.weather import Kind, Weather
from tests.simulation.world import Watched, World

Message = ReceivedEmail | ReceivedText
# The name of a word as its vendor has it, and what is said beside it.
Word = tuple[str, Mapping[str, Any]]

# By their doubles' names; what the attempts call them.
TELLERS = {"sendgrid": "sendgrid", "mailgun": "mailgun", "twilio": "twilio-sms"}
DELIVERED = "delivered"
RETURNED = {"bounce", "failed", "undelivered"}
ON_THE_WAY: Mapping[str, Word] = {
    "sendgrid": ("processed", {}), "mailgun": ("accepted", {}), "twilio": ("sent", {}),
}  # fmt: skip
# Some say something of the address, for good, and some of this message alone.
RETURNS: Mapping[str, Sequence[Word]] = {
    "sendgrid": (
        ("bounce", {"type": "blocked"}),
        ("bounce", {"type": "bounce", "bounce_classification": "Invalid Address"}),
    ),
    "mailgun": (
        ("failed", {"severity": "permanent", "delivery-status": {"code": 552}}),
        ("failed", {"severity": "permanent", "delivery-status": {"code": 550}}),
    ),
    "twilio": (("undelivered", {"error": 30003}), ("undelivered", {"error": 30005})),
}
SOON, LATE, AGAIN = timedelta(minutes=2), timedelta(hours=36), timedelta(hours=6)
# Twilio tells once; the others, until they are answered 200.
REPEATED_AFTER = timedelta(minutes=10)
OK = 200


@dataclass(slots=True)
class Story:
    """One message that a vendor took. `told`: the words that were answered with 200; `tried`: all that were told."""

    teller: str
    message: Message
    came_back: bool = False
    told: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)

    @property
    def provider(self) -> str:
        return TELLERS[self.teller]

    def says_so(self) -> bool:
        """It was told that it came back, and the word was taken."""
        return not RETURNED.isdisjoint(self.told)

    def may_say_so(self) -> bool:
        """The word may have been taken, too: its answer was lost."""
        return not RETURNED.isdisjoint(self.tried)


@dataclass(frozen=True, slots=True, order=True)
class Saying:
    """A word to be told. `forged`: by somebody who has not got the vendor's key."""

    at: datetime
    number: int
    story: Story = field(compare=False)
    word: Word = field(compare=False)
    forged: bool = field(compare=False, default=False)


@dataclass
class Tidings:
    """All that the vendors of one run say."""

    world: World
    weather: Weather
    stories: list[Story] = field(default_factory=list)
    # Forgeries that were believed.
    believed: list[str] = field(default_factory=list)
    _coming: list[Saying] = field(default_factory=list)
    _seen: Counter[str] = field(default_factory=Counter)
    _known: set[str] = field(default_factory=set)
    _times: Counter[tuple[str, str]] = field(default_factory=Counter)
    _numbers: Iterator[int] = field(default_factory=count)
    _lock: Any = field(default_factory=RLock)

    @property
    def next_at(self) -> datetime | None:
        return self._coming[0].at if self._coming else None

    def listen(self) -> Sequence[Story]:
        """Vendors make up their minds about what they took since."""
        with self._lock:
            fresh = [Story(teller, message) for teller in self._asked() for message in self._taken(teller)]
            for story in fresh:
                self._decide(story)
            self.stories += fresh
            return fresh

    def tell_at_once(self) -> None:
        """What was just taken, before its sender has its answer."""
        with self._lock:
            fresh, now = {id(story) for story in self.listen()}, self.world.clock.true
            self._coming = [
                Saying(now, each.number, each.story, each.word, each.forged)
                if id(each.story) in fresh
                else each
                for each in self._coming
            ]
            heapq.heapify(self._coming)
            self.tell(now)

    def tell(self, now: datetime) -> None:
        """All that is due; SendGrid's words in one call."""
        with self._lock:
            due = []
            while self._coming and self._coming[0].at <= now:
                due.append(heapq.heappop(self._coming))
            together = [each for each in due if each.story.teller == "sendgrid" and not each.forged]
            for calls in [
                *([together] if together else []),
                *([each] for each in due if each not in together),
            ]:
                self._post(calls, now)

    def _asked(self) -> Sequence[str]:
        asked = [name for name in TELLERS if name in self.world.asked]
        self.world.asked.difference_update(asked)
        return asked

    def _taken(self, teller: str) -> Iterator[Message]:
        double, before = self.world.doubles[teller], self._seen[teller]
        self._seen[teller] = double.taken()
        for message in double.messages(before):
            if message.message_id not in self._known:
                self._known.add(message.message_id)
                yield message

    def _decide(self, story: Story) -> None:
        teller, about = story.teller, story.message.key
        self._times[teller, about] += 1
        which = (teller, about, self._times[teller, about])
        dice = self.weather.dice("receipts", *which)
        story.came_back = self.weather.strikes(Kind.RETURNED, *which)
        ended = dice.choice(RETURNS[teller]) if story.came_back else (DELIVERED, {})
        words = [ON_THE_WAY[teller], ended]
        if story.came_back and teller != "twilio" and dice.random() < 0.3:
            # A mail system took it, and gave it back.
            words.insert(1, (DELIVERED, {}))
        if self.weather.strikes(Kind.RECEIPT_NEVER, *which):
            return
        now = self.world.clock.true
        times = sorted(now + SOON * dice.random() for _ in words)
        for number, _ in enumerate(words):
            if self.weather.strikes(Kind.RECEIPT_LATE, *which, number):
                times[number] += LATE * dice.random()
        if self.weather.strikes(Kind.RECEIPTS_DISORDERED, *which):
            times.sort(reverse=True)
        for at, word in zip(times, words, strict=True):
            self._say(at, story, word)
            if self.weather.strikes(Kind.RECEIPT_REPEATED, *which, word[0]):
                for _ in range(dice.randint(1, 3)):
                    self._say(at + AGAIN * dice.random(), story, word)
        if self.weather.strikes(Kind.RECEIPT_FORGED, *which):
            contrary = (DELIVERED, {}) if story.came_back else dice.choice(RETURNS[teller])
            self._say(now + AGAIN * dice.random(), story, contrary, forged=True)

    def _say(self, at: datetime, story: Story, word: Word, *, forged: bool = False) -> None:
        heapq.heappush(self._coming, Saying(at, next(self._numbers), story, word, forged))

    def _post(self, sayings: Sequence[Saying], now: datetime) -> None:
        status = self._receipts.tell(self._call(sayings, now))
        for each in sayings:
            name = each.word[0]
            if each.forged:
                self.believed += [f"{each.story.teller} {name}"] if status == OK else []
                continue
            each.story.tried.add(name)
            if status == OK:
                each.story.told.add(name)
            elif each.story.teller != "twilio":
                self._say(now + REPEATED_AFTER, each.story, each.word)

    def _call(self, sayings: Sequence[Saying], now: datetime) -> Call:
        first = sayings[0]
        name, more = first.word
        webhooks = self._forgers if first.forged else self.world.stack.receipts.webhooks
        match first.story.message:
            case ReceivedText() as text:
                return webhooks.twilio.status(text, name, **more)
            case email if first.story.teller == "mailgun":
                return webhooks.mailgun.call(email, name, now, **more)
        events = [
            webhooks.sendgrid.event(each.story.message, each.word[0], now, **each.word[1]) for each in sayings
        ]
        return webhooks.sendgrid.call(events, now)

    @cached_property
    def _forgers(self) -> Webhooks:
        base = self.world.stack.receipts.webhooks.twilio.base
        return Webhooks(SendGridWebhook(), MailgunWebhook("guessed"), TwilioWebhook("guessed", base))

    @cached_property
    def _receipts(self) -> Receipts:
        stack = self.world.stack
        api = Api(stack.stack.routes, Watched(self.world))
        return Receipts(stack.receipts.webhooks, api, self.world.clock.now, stack.sendgrid, stack.others)
