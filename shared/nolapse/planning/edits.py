"""What an edit of people and their dates does to the schedule, in the edit's own transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from nolapse.planning.plan import Bounds, Touched, plan
from nolapse.storage.statements import statement

# Of a person, what no date, window or recipient of the schedule hangs on: messages read it when they are sent.
READ_WHEN_SENT = frozenset({"external_id", "role", "full_name", "email", "phone", "whatsapp"})


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


def reschedule(
    connection: Connection, people: Sequence[UUID], limits: Bounds, *, dropped: Sequence[Touched] = ()
) -> Rescheduled:
    """After `people`, or their licences, dates and medications, were changed; a hand-over names both holders.

    Follows the change to whom they supervise or care for. `dropped`: what the edit touched before.
    """
    holders = list(connection.scalars(statement("affected_holders"), {"people": list(people)}))
    report = plan(connection, limits, clinician_ids=holders)
    return what_changed(connection, [*dropped, *report.touched], limits.now)


def what_changed(connection: Connection, touched: Sequence[Touched], now: datetime) -> Rescheduled:
    """By an edit at `now`: the rows that it touched, as they stand."""
    if not touched:
        return Rescheduled()
    keys, times = ([*each] for each in zip(*touched, strict=True))
    values = {"keys": keys, "times": times, "earliest": min(times), "latest": max(times), "now": now}
    rows = connection.execute(statement("rescheduled"), values).all()
    created: list[Planned] = []
    restored: list[Planned] = []
    cancelled: list[Planned] = []
    for *columns, is_new in rows:
        planned = Planned(*columns)
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
