"""Which way a message goes next: providers of a channel, then the next channel, and what follows from an outcome.

A notification has an ordered plan of channels, a channel an ordered list of providers. Another provider is tried at
once when one is out of reach, another channel at once when one will never take the message; what may have left is
asked about first, and nothing else is tried meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nolapse.domain.outcomes import (
    Accepted,
    NotFound,
    Outcome,
    ProbeResult,
    Rejected,
    RetrySafe,
    Unknown,
)
from nolapse.domain.states import Status

RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
JITTER = 0.2
# By catch-up, and so once an hour.
MOST_PROBES = 5


@dataclass(frozen=True, slots=True)
class Way:
    """One provider on one channel; `position` is the channel's in the plan, from 1."""

    position: int
    channel: str
    provider: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be tried before `until`, and no retry is spent by that."""

    position: int
    until: datetime


@dataclass(frozen=True, slots=True)
class NoWay:
    """No channel of the plan is left."""


Next = Way | Wait | NoWay
Ready = Callable[[str, str], datetime | None]
"""(channel, provider) -> when it may be tried: an instant that is not over yet means later, None never."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome`, `code`, `message_id` and `handle` go to the attempt; the rest to its notification.

    `way`: the next try, in the same run; the notification stays SENDING for it.
    """

    outcome: str
    code: str | None
    message_id: str | None
    status: Status
    reason: str | None = None
    next_attempt_at: datetime | None = None
    handle: str | None = None
    position: int = 1
    retry_count: int = 0
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What may be tried for one notification: `channels` in order, each with its providers.

    `deadline`: what waits until then is not sent in its window any more.
    """

    channels: Sequence[tuple[str, Sequence[str]]]
    ready: Ready
    now: datetime
    deadline: datetime

    def first(self, position: int) -> Next:
        """From a channel on: the first provider that is ready, or how long to wait for one, or the next channel.

        A wait beyond the deadline is only for where no channel is better: its window passes, and it becomes late.
        """
        too_late: Next = NoWay()
        for place in range(position, len(self.channels) + 1):
            found = self._on(place, after=None)
            if self.is_in_time(found):
                return found
            if isinstance(too_late, NoWay):
                too_late = found
        return too_late

    def is_in_time(self, found: Next) -> bool:
        return isinstance(found, Way) or (isinstance(found, Wait) and found.until < self.deadline)

    def after(self, way: Way, outcome: Outcome) -> Next:
        """The way after one that failed for good (next channel), or was out of reach (next provider)."""
        if isinstance(outcome, Rejected):
            return self.first(way.position + 1)
        found = self._on(way.position, after=way.provider)
        return found if isinstance(found, Way) else NoWay()

    def _on(self, position: int, *, after: str | None) -> Next:
        channel, providers = self.channels[position - 1]
        left = providers[providers.index(after) + 1 :] if after else providers
        times = [(self.ready(channel, provider), provider) for provider in left]
        for at, provider in times:
            if at is not None and at <= self.now:
                return Way(position, channel, provider)
        waits = [at for at, _ in times if at is not None]
        return Wait(position, min(waits)) if waits else NoWay()


def judge(outcome: Outcome, plan: Plan, way: Way, *, retry_count: int, late: bool, jitter: float) -> Verdict:
    """The verdict on one attempt; `jitter` in [0, 1) spreads retries that would come back together."""
    here = Verdict("UNKNOWN", None, None, Status.UNKNOWN, position=way.position, retry_count=retry_count)
    match outcome:
        case Accepted(message_id):
            return replace(here, outcome="ACCEPTED", message_id=message_id, status=Status.SENT)
        case Unknown(code, handle):
            return replace(here, code=code, handle=handle)
        case Rejected(code):
            return _go_on(
                plan.after(way, outcome), replace(here, outcome="REJECTED", code=code, status=waiting(late))
            )
        case RetrySafe(code, delay):
            failed = replace(here, outcome="RETRY_SAFE", code=code, status=waiting(late))
            failover = plan.after(way, outcome)
            if isinstance(failover, Way):
                return _go_on(failover, failed)
            if retry_count >= len(RETRY_DELAYS):
                return _go_on(plan.first(way.position + 1), failed)
            pause = max(RETRY_DELAYS[retry_count], delay or timedelta()) * (1 + JITTER * jitter)
            return _wait_or_go_on(plan, failed, plan.now + pause)


def judge_probe(
    answer: ProbeResult,
    *,
    position: int,
    retry_count: int,
    late: bool,
    probes: int,
    again: bool,
    broke: str | None,
    channels: int,
    now: datetime,
) -> Verdict:
    """The verdict on an attempt that the provider was asked about, for the `probes`th time.

    `again`: the tenant would rather have a message twice than not at all, and it is sent again when asking did not
    settle it; else a human decides. `broke`: the code of an attempt that broke its SDK. The next would break it again:
    each spends a retry, then it is the turn of the next of `channels`.
    """
    here = Verdict("UNKNOWN", None, None, Status.UNKNOWN, position=position, retry_count=retry_count)
    match answer:
        case Accepted(message_id):
            return replace(here, outcome="ACCEPTED", message_id=message_id, status=Status.SENT)
        case NotFound():
            unsent = replace(here, outcome="NOT_FOUND", code=broke, status=waiting(late))
            return _spend_a_retry(unsent, channels, now) if broke else replace(unsent, next_attempt_at=now)
        case Unknown(code, handle) if probes < MOST_PROBES:
            return replace(here, code=code, handle=handle)
        case Unknown(code) if again:
            return replace(here, outcome="UNPROVEN", code=code, status=waiting(late), next_attempt_at=now)
        case Unknown(code, handle):
            reason = f"asked {probes} times in vain: {code}"
            return replace(here, code=code, handle=handle, status=Status.HELD, reason=reason)


def waiting(late: bool) -> Status:
    return Status.LATE_PENDING if late else Status.PENDING


def _wait_or_go_on(plan: Plan, failed: Verdict, until: datetime) -> Verdict:
    """Again on the same channel at `until`, unless another is better than a wait beyond the window."""
    elsewhere = plan.first(failed.position + 1)
    if until >= plan.deadline and plan.is_in_time(elsewhere):
        return _go_on(elsewhere, failed)
    return replace(failed, next_attempt_at=until, retry_count=failed.retry_count + 1)


def _spend_a_retry(failed: Verdict, channels: int, now: datetime) -> Verdict:
    if failed.retry_count < len(RETRY_DELAYS):
        return replace(failed, next_attempt_at=now, retry_count=failed.retry_count + 1)
    return _go_on(Wait(failed.position + 1, now) if failed.position < channels else NoWay(), failed)


def _go_on(found: Next, failed: Verdict) -> Verdict:
    match found:
        case Way(position):
            retries = failed.retry_count if position == failed.position else 0
            return replace(failed, status=Status.SENDING, position=position, retry_count=retries, way=found)
        case Wait(position, until):
            return replace(failed, next_attempt_at=until, position=position, retry_count=0)
        case NoWay():
            said = "rejected" if failed.outcome == "REJECTED" else "retries spent"
            return replace(failed, status=Status.DEFERRED, reason=f"{said}: {failed.code}")
