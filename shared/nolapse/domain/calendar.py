"""Calendar arithmetic in plain Python: the oracle of the set-based planner (storage/sql/expected.sql).

One occasion at a time, straight from the definitions, with nothing shared with the SQL: the tests and the
watchdog compare the two.
"""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from nolapse.domain.windows import Window, to_utc
from nolapse.domain.zones import pinned_zone

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One reminder of a policy: `days` before (negative) or after (positive) the occasion's date.

    `recipients` are HOLDER, SUPERVISOR and CAREGIVER, the others told where there is one; `channels` come in the order
    of preference. `unless`: said only where that event of the same dose was not, or nobody ACKNOWLEDGED the licence.
    """

    event: str
    days: int
    template: str
    recipients: Sequence[str] = ("HOLDER",)
    channels: Sequence[str] = ("EMAIL",)
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a kind of occasion calls for; `opens` and `closes` are local times of the recipient.

    `pause_days` (grace and buffer) put off every step after the date. `business_days` moves what falls on a
    weekend or on one of `holidays` to the working day BEFORE or AFTER it; ANY moves nothing. `leap_day` is where
    Feb 29 falls in common years, FEB_28 or MAR_1.
    """

    steps: Sequence[Step]
    opens: time = time(8)
    closes: time = time(12)
    pause_days: int = 0
    business_days: str = "ANY"
    holidays: Collection[date] = frozenset()
    leap_day: str = "FEB_28"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is told, in which zone."""

    person_id: UUID
    zone: str


@dataclass(frozen=True, slots=True)
class Occasion:
    """A date that matters: a licence's expiry, or (`yearly`) a date of a person that comes again every year."""

    subject_id: UUID
    on_date: date
    holder: Person
    supervisor: Person | None = None
    yearly: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """One notification that an occasion calls for."""

    idempotency_key: bytes
    recipient: Person
    event: str
    template: str
    occurrence: str
    occasion_date: date
    window: Window


def window_on(day: date, policy: Policy, zone: str) -> Window:
    """The policy's window on a local day; one that a clock change swallows keeps its nominal length."""
    start = to_utc(datetime.combine(day, policy.opens), zone)
    end = to_utc(datetime.combine(day, policy.closes), zone)
    if end <= start:
        end = start + (datetime.combine(day, policy.closes) - datetime.combine(day, policy.opens))
    return Window(start, end)


def idempotency_key(person_id: UUID, subject_id: UUID, template: str, scheduled_at: datetime) -> bytes:
    """sha256 of `person|subject|template|scheduled_at`, the last in whole seconds since the epoch: 32 bytes.

    The subject is the licence, or the person's date.
    """
    seconds = int(scheduled_at.timestamp())
    return hashlib.sha256(f"{person_id}|{subject_id}|{template}|{seconds}".encode()).digest()


def expected_notifications(
    occasion: Occasion, policy: Policy, *, since: datetime, until: datetime
) -> Iterator[Expected]:
    """Every notification that one occasion calls for whose window opens before `until`.

    Of a yearly date only windows that close after `since` count: nobody is owed last year's birthday. The date of
    a licence counts however old it is.
    """
    for occurrence, occasion_date in _occurrences(occasion, policy, since, until):
        for step in policy.steps:
            pause = policy.pause_days if step.days > 0 else 0
            day = working_day(occasion_date + timedelta(days=step.days + pause), policy)
            for recipient in _recipients(occasion, step):
                window = window_on(day, policy, recipient.zone)
                over = occasion.yearly and window.end <= since
                if window.start < until and not over:
                    key = idempotency_key(
                        recipient.person_id, occasion.subject_id, step.template, window.start
                    )
                    yield Expected(
                        key, recipient, step.event, step.template, occurrence, occasion_date, window
                    )


def working_day(day: date, policy: Policy) -> date:
    """The day itself, or where the policy asks for it the nearest working day before or after."""
    if policy.business_days == "ANY":
        return day
    direction = timedelta(days=-1 if policy.business_days == "BEFORE" else 1)
    while day.weekday() >= SATURDAY or day in policy.holidays:
        day += direction
    return day


def yearly_date(born: date, year: int, leap_day: str) -> date:
    """The date in another year: Feb 29 falls on Feb 28 of a common year, or on Mar 1 (MAR_1)."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1) if leap_day == "MAR_1" else date(year, 2, 28)


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


def _occurrences(
    occasion: Occasion, policy: Policy, since: datetime, until: datetime
) -> Iterator[tuple[str, date]]:
    if not occasion.yearly:
        yield occasion.on_date.isoformat(), occasion.on_date
        return
    # A step may fall into the year before or after its date's.
    for year in range(max(since.year - 1, occasion.on_date.year + 1), until.year + 2):
        yield str(year), yearly_date(occasion.on_date, year, policy.leap_day)


def _recipients(occasion: Occasion, step: Step) -> Iterator[Person]:
    people = {"HOLDER": occasion.holder, "SUPERVISOR": occasion.supervisor}
    for name in step.recipients:
        person = people[name]
        if person is not None:
            yield person
