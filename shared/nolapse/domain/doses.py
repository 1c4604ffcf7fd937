"""Doses of medications: which are due, until when somebody may be told to take one, and who is told.

A dose has a window of its own, from the moment it is due; the policy only says who is told what. The twin of the dose
branch of storage/sql/expected.sql.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from nolapse.domain.calendar import Expected, Person, Policy, idempotency_key
from nolapse.domain.recurrence import Recurrence
from nolapse.domain.windows import Window
from nolapse.domain.zones import pinned_zone

MINUTE = timedelta(minutes=1)
# How long a caregiver may be told on time of a dose that its taker was not told of.
MISSED_WINDOW = timedelta(hours=12)
# No window of a dose, its taker's or its caregiver's, closes later after it was due.
LONGEST = timedelta(hours=24) + MISSED_WINDOW


class Lateness(StrEnum):
    """What becomes of a reminder that did not leave on time.

    SEND: it may still leave until the safe interval is over. SHORTEN: the same, but no later than half-way to the next
    dose. SUPPRESS: it leaves on time or not at all.
    """

    SEND = "SEND"
    SHORTEN = "SHORTEN"
    SUPPRESS = "SUPPRESS"


@dataclass(frozen=True, slots=True)
class Regimen:
    """When a medication is taken. Doses before `effective_from` belong to an earlier regimen, or to nobody."""

    recurrence: Recurrence
    lateness: Lateness
    on_time: timedelta
    safe: timedelta
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Dose:
    """Its taker may be told from `due_at` until before `closes_at`."""

    occurrence: str
    due_on: date
    due_at: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class Course:
    """A medication that somebody takes, and who is told where they could not be."""

    subject_id: UUID
    regimen: Regimen
    holder: Person
    caregiver: Person | None = None


def doses(regimen: Regimen, *, since: datetime, until: datetime) -> Iterator[Dose]:
    """Those due in [since, until), in order."""
    zone = pinned_zone(regimen.recurrence.zone)
    coming = regimen.recurrence.occurrences(max(since, regimen.effective_from))
    dose = next(coming, None)
    while dose is not None and dose[1] < until:
        following = next(coming, None)
        occurrence, due_at = dose
        closes_at = _closes(regimen, due_at, following and following[1])
        yield Dose(occurrence, due_at.astimezone(zone).date(), due_at, closes_at)
        dose = following


def expected_doses(course: Course, policy: Policy, *, since: datetime, until: datetime) -> Iterator[Expected]:
    """Every notification that a course calls for whose window closes after `since` and opens before `until`."""
    people = {"HOLDER": course.holder, "CAREGIVER": course.caregiver}
    for dose in doses(course.regimen, since=since - LONGEST, until=until):
        for step in policy.steps:
            window = (
                Window(dose.closes_at, dose.closes_at + MISSED_WINDOW)
                if step.unless
                else Window(dose.due_at, dose.closes_at)
            )
            for name in step.recipients:
                person = people[name]
                if person is not None and window.end > since and window.start < until:
                    key = idempotency_key(person.person_id, course.subject_id, step.template, window.start)
                    yield Expected(
                        key, person, step.event, step.template, dose.occurrence, dose.due_on, window
                    )


def _closes(regimen: Regimen, due_at: datetime, next_due_at: datetime | None) -> datetime:
    match regimen.lateness:
        case Lateness.SUPPRESS:
            return due_at + regimen.on_time
        case Lateness.SHORTEN if next_due_at is not None:
            half = (next_due_at - due_at) // (2 * MINUTE) * MINUTE
            return due_at + min(regimen.safe, max(half, MINUTE))
        case _:
            return due_at + regimen.safe
