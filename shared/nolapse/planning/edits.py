"""What an edit of people and their dates does to the schedule, in the edit's own transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from nolapse.planning.plan import Bounds, plan
from nolapse.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Planned:
    """A notification as it stands now. `clinician_id` is who is told, `subject_id` the licence, date or medication."""

    key: str
    clinician_id: UUID
    subject_id: UUID
    occasion: str
    event: str
    occurrence: str
    scheduled_at: datetime
    window_end: datetime
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    before: Planned
    after: Planned


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """`moved`: cancelled, and created in its place. `restored`: stands again, or as its policy now says."""

    moved: list[Moved] = field(default_factory=list)
    created: list[Planned] = field(default_factory=list)
    restored: list[Planned] = field(default_factory=list)
    cancelled: list[Planned] = field(default_factory=list)


def reschedule(connection: Connection, people: Sequence[UUID], limits: Bounds) -> Rescheduled:
    """After `people`, or their licences, dates and medications, were changed; a hand-over names both holders.

    Follows the change to whom they supervise or care for.
    """
    holders = list(connection.scalars(statement("affected_holders"), {"people": list(people)}))
    plan(connection, limits, clinician_ids=holders)
    return what_changed(connection, holders, limits.now)


def what_changed(connection: Connection, holders: Sequence[UUID], now: datetime) -> Rescheduled:
    """By the planning run at `now`, about the dates of `holders`."""
    rows = connection.execute(statement("rescheduled"), {"clinician_ids": list(holders), "now": now}).all()
    created: list[Planned] = []
    restored: list[Planned] = []
    cancelled: list[Planned] = []
    for *values, is_new in rows:
        planned = Planned(*values)
        kind = cancelled if planned.status == "CANCELLED" else created if is_new else restored
        kind.append(planned)
    # Of one licence and event there is one; of a medication, dose by dose in order of time.
    instead: dict[object, list[Planned]] = {}
    for each in reversed(created):
        instead.setdefault(_told_of(each), []).append(each)
    moved = [Moved(before, others.pop()) for before in cancelled if (others := instead.get(_told_of(before)))]
    paired = {each.key for move in moved for each in (move.before, move.after)}
    return Rescheduled(
        moved,
        [each for each in created if each.key not in paired],
        restored,
        [each for each in cancelled if each.key not in paired],
    )


def _told_of(planned: Planned) -> tuple[object, ...]:
    return planned.clinician_id, planned.subject_id, planned.event
