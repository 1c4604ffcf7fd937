"""Calendar arithmetic in plain Python: the oracle of the set-based planner (storage/sql/plan.sql).

One occasion at a time, straight from the definitions, with nothing shared with the SQL: the tests and the
watchdog compare the two.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from nolapse.domain.zones import pinned_zone


@dataclass(frozen=True, slots=True)
class Step:
    """One reminder of a policy: `days` before (negative) or after (positive) the occasion's date."""

    event: str
    days: int
    template: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What a kind of occasion calls for; `opens` and `closes` are local times of the recipient."""

    steps: Sequence[Step]
    opens: time = time(8)
    closes: time = time(12)


@dataclass(frozen=True, slots=True)
class Window:
    """The instants [start, end), in UTC, in which a message may leave."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


@dataclass(frozen=True, slots=True)
class Expected:
    """One notification that an occasion calls for."""

    idempotency_key: bytes
    event: str
    template: str
    occasion_date: date
    window: Window


def to_utc(local: datetime, zone: str) -> datetime:
    """The instant of a naive local time: in a gap by the offset before it, in an overlap the first."""
    return local.replace(tzinfo=pinned_zone(zone), fold=0).astimezone(UTC)


def window_on(day: date, policy: Policy, zone: str) -> Window:
    """The policy's window on a local day; one that a clock change swallows keeps its nominal length."""
    start = to_utc(datetime.combine(day, policy.opens), zone)
    end = to_utc(datetime.combine(day, policy.closes), zone)
    if end <= start:
        end = start + (datetime.combine(day, policy.closes) - datetime.combine(day, policy.opens))
    return Window(start, end)


def idempotency_key(person_id: UUID, license_id: UUID, template: str, scheduled_at: datetime) -> bytes:
    """sha256 of `person|license|template|scheduled_at`, the last in whole seconds since the epoch: 32 bytes."""
    seconds = int(scheduled_at.timestamp())
    return hashlib.sha256(f"{person_id}|{license_id}|{template}|{seconds}".encode()).digest()


def expected_notifications(
    *, person_id: UUID, license_id: UUID, expires_on: date, policy: Policy, zone: str, until: datetime
) -> Iterator[Expected]:
    """Every notification that one licence calls for whose window opens before `until`."""
    for step in policy.steps:
        window = window_on(expires_on + timedelta(days=step.days), policy, zone)
        if window.start < until:
            key = idempotency_key(person_id, license_id, step.template, window.start)
            yield Expected(key, step.event, step.template, expires_on, window)


def next_allowed(instant: datetime, zone: str, quiet_from: time, quiet_until: time) -> Window:
    """The first stretch outside the local quiet hours [quiet_from, quiet_until) at or after `instant`.

    Quiet hours span midnight (20:00 to 08:00): what remains of a day is one stretch, [quiet_until, quiet_from).
    """
    day = instant.astimezone(pinned_zone(zone)).date()
    loud = Policy(steps=(), opens=quiet_until, closes=quiet_from)
    window = window_on(day, loud, zone)
    if instant >= window.end:
        window = window_on(day + timedelta(days=1), loud, zone)
    return Window(max(instant, window.start), window.end)
