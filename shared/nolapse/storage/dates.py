"""The dates of a base as the pure twin takes them (domain/calendar.py, domain/doses.py): for watchdog and proof."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row

from nolapse.domain.calendar import Expected, Occasion, Person, Policy, expected_notifications
from nolapse.domain.doses import Course, Lateness, Regimen, expected_doses
from nolapse.domain.recurrence import Recurrence
from nolapse.storage.statements import statement


class Dated(NamedTuple):
    """A licence, a date of a person or a medication, and what its policy is chosen by (PolicyBook.for_).

    `subject` is None where it calls for nothing: ended, perpetual, or its holder left.
    """

    tenant_id: UUID
    holder_id: UUID
    subject_id: UUID
    kind: str
    license_type: str | None
    state: str | None
    subject: Occasion | Course | None

    def calls_for(self, policy: Policy, *, since: datetime, until: datetime) -> Iterator[Expected]:
        match self.subject:
            case Occasion() as occasion:
                yield from expected_notifications(occasion, policy, since=since, until=until)
            case Course() as course:
                yield from expected_doses(course, policy, since=since, until=until)


def load_dates(connection: Connection, *, slice_: int | None = None) -> list[Dated]:
    """All dates, or those of the holders in one of 24 slices."""
    return [_dated(row) for row in connection.execute(statement("dates"), {"slice": slice_})]


def regimen(row: Row[Any]) -> Regimen:
    """Of a row with the columns of medications; its zone is `regimen_zone`."""
    return Regimen(
        recurrence=Recurrence(row.starts_at, row.regimen_zone, row.rrule, tuple(row.exdates)),
        lateness=Lateness(row.lateness),
        on_time=timedelta(minutes=row.on_time_minutes),
        safe=timedelta(minutes=row.safe_minutes),
        effective_from=row.effective_from,
    )


def _dated(row: Row[Any]) -> Dated:
    return Dated(
        row.tenant_id, row.clinician_id, row.subject_id, row.occasion, row.license_type, row.state,
        _subject(row) if row.called_for else None,
    )  # fmt: skip


def _subject(row: Row[Any]) -> Occasion | Course:
    holder = Person(row.clinician_id, row.zone)
    if row.rrule is not None:
        caregiver = Person(row.caregiver_id, row.caregiver_zone) if row.caregiver_id else None
        return Course(row.subject_id, regimen(row), holder, caregiver)
    supervisor = Person(row.supervisor_id, row.supervisor_zone) if row.supervisor_id else None
    return Occasion(row.subject_id, row.on_date, holder, supervisor, row.yearly)
