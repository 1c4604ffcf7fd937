"""The dates of a base as the pure twin (domain/calendar.py) takes them: for the watchdog and the proof."""

from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row

from nolapse.domain.calendar import Occasion, Person
from nolapse.storage.statements import statement


class Dated(NamedTuple):
    """A licence or a date of a person, and what its policy is chosen by (PolicyBook.for_).

    `occasion` is None where it calls for nothing: ended, perpetual, or its holder left.
    """

    tenant_id: UUID
    holder_id: UUID
    subject_id: UUID
    kind: str
    license_type: str | None
    state: str | None
    occasion: Occasion | None


def load_dates(connection: Connection, *, slice_: int | None = None) -> list[Dated]:
    """All dates, or those of the holders in one of 24 slices."""
    return [_dated(row) for row in connection.execute(statement("dates"), {"slice": slice_})]


def _dated(row: Row[Any]) -> Dated:
    occasion = None
    if row.called_for:
        supervisor = Person(row.supervisor_id, row.supervisor_zone) if row.supervisor_id else None
        holder = Person(row.clinician_id, row.zone)
        occasion = Occasion(row.subject_id, row.on_date, holder, supervisor, row.yearly)
    return Dated(
        row.tenant_id, row.clinician_id, row.subject_id, row.occasion, row.license_type, row.state, occasion
    )
