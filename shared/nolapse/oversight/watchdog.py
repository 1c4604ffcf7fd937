"""An independent look at the schedule: what the pure twin says must be told, against what is there and what left.

Shares no statement with the planner. Who is looked at goes by the hour, a twenty-fourth of the people at a time, with
a day ahead and a day back: so every window is looked at before it closes, and after. What is about to close unsent is
looked for among everybody, every time.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row

from nolapse.domain.calendar import Expected
from nolapse.storage.dates import Dated, load_dates
from nolapse.storage.engine import transaction
from nolapse.storage.policies import PolicyBook, load_policies
from nolapse.storage.statements import statement

SLICES = 24
HOUR = timedelta(hours=1)
REACH = timedelta(hours=24)
LONGEST_WINDOW = timedelta(hours=48)
# A message may take this long through the queue to its provider before anybody is worried.
DELIVERY_TIME = timedelta(minutes=15)
WAITING = frozenset({"PENDING", "LATE_PENDING", "QUEUED"})
UNSENT = WAITING | {"SENDING"}
TOLD = frozenset({"SENT", "DELIVERED", "BOUNCED"})

Identity = tuple[UUID, str, str, UUID]
"""Subject, event, occurrence and recipient: what is told once, whenever that is."""


class Alarm(StrEnum):
    MISSING_ROWS = "missing_rows"
    WRONG_ROWS = "wrong_rows"
    UNSENT_PAST_WINDOW = "unsent_past_window"
    CLOSING_UNSENT = "closing_unsent"


@dataclass(slots=True)
class WatchReport:
    """`alarms` holds the hex keys of the notifications that each alarm is about."""

    slices: tuple[int, ...]
    people: int = 0
    expected: int = 0
    alarms: dict[Alarm, list[str]] = field(default_factory=lambda: {alarm: [] for alarm in Alarm})

    @property
    def counts(self) -> dict[str, int]:
        """For heartbeat, log and metrics; zeros too, so that an alarm of CloudWatch goes back."""
        by_alarm = {alarm.value: len(keys) for alarm, keys in self.alarms.items()}
        return {
            "people": self.people,
            "expected": self.expected,
            **by_alarm,
            "alarms": sum(by_alarm.values()),
        }


@dataclass(frozen=True, slots=True)
class Owed:
    """A notification that the twin expects, for whom and about what."""

    tenant_id: UUID
    subject_id: UUID
    notification: Expected

    @property
    def identity(self) -> Identity:
        expected = self.notification
        return self.subject_id, expected.event, expected.occurrence, expected.recipient.person_id


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at, from a day back to a day ahead of `now`."""

    now: datetime
    policies: PolicyBook
    rows: Sequence[Row[Any]]

    @property
    def since(self) -> datetime:
        return self.now - REACH

    @property
    def until(self) -> datetime:
        return self.now + REACH

    def holds(self, start: datetime, end: datetime) -> bool:
        return end > self.since and start < self.until


def watch(engine: Engine, *, now: datetime, everybody: bool = False) -> WatchReport:
    """Look at the people whose hours have come since the last complete run, or at everybody."""
    with transaction(engine, "watchdog") as connection:
        last: datetime | None = connection.scalar(statement("watchdog_last"))
        report = WatchReport(tuple(range(SLICES)) if everybody else _due(last, now))
        reach = {"first": now - REACH - LONGEST_WINDOW, "until": now + REACH}
        rows = connection.execute(statement("watchdog_schedule"), reach).all()
        view = View(now, load_policies(connection), rows)
        for number in report.slices:
            _watch_slice(connection, view, number, report)
        report.alarms[Alarm.CLOSING_UNSENT] = _closing(connection, now)
    return report


def _due(last: datetime | None, now: datetime) -> tuple[int, ...]:
    """The slices of the hours (UTC) since the last run; of this hour when it is run again."""
    hour = int(now.timestamp() // HOUR.total_seconds())
    before = int(last.timestamp() // HOUR.total_seconds()) if last else hour - 1
    first = max(min(before + 1, hour), hour - SLICES + 1)
    return tuple(each % SLICES for each in range(first, hour + 1))


def _watch_slice(connection: Connection, view: View, number: int, report: WatchReport) -> None:
    dates = load_dates(connection, slice_=number)
    owed = {each.notification.idempotency_key: each for date in dates for each in _owed(date, view)}
    subjects = {date.subject_id for date in dates}
    stored = {
        bytes(row.idempotency_key): row
        for row in view.rows
        if row.subject_id in subjects or row.idempotency_key in owed
    }
    report.people += len({date.holder_id for date in dates})
    report.expected += len(owed)
    report.alarms[Alarm.MISSING_ROWS] += _missing(connection, owed, stored)
    report.alarms[Alarm.WRONG_ROWS] += _wrong(owed, stored, view)
    report.alarms[Alarm.UNSENT_PAST_WINDOW] += _unsent(connection, owed, stored, view.now)


def _owed(date: Dated, view: View) -> Iterable[Owed]:
    policy = view.policies.for_(date.tenant_id, date.kind, date.license_type, date.state)
    for expected in date.calls_for(policy, since=view.since, until=view.until):
        if view.holds(expected.window.start, expected.window.end):
            yield Owed(date.tenant_id, date.subject_id, expected)


def _missing(connection: Connection, owed: dict[bytes, Owed], stored: dict[bytes, Row[Any]]) -> list[str]:
    """Neither there nor told before, when it fell on another instant."""
    absent = {
        key: each for key, each in owed.items() if key not in stored or stored[key].status == "CANCELLED"
    }
    if not absent:
        return []
    settled = connection.execute(
        statement("watchdog_settled"),
        {
            "tenants": list({each.tenant_id for each in absent.values()}),
            "subjects": list({each.subject_id for each in absent.values()}),
        },
    )
    known: set[Identity] = {(row.subject_id, row.event, row.occurrence, row.clinician_id) for row in settled}
    return [key.hex() for key, each in absent.items() if each.identity not in known]


def _wrong(owed: dict[bytes, Owed], stored: dict[bytes, Row[Any]], view: View) -> list[str]:
    """Waiting, and either not called for or for another person, text or window than is."""
    return [
        key.hex()
        for key, row in stored.items()
        if row.status in WAITING
        and view.holds(row.scheduled_at, row.window_end)
        and (key not in owed or not _agrees(row, owed[key]))
    ]


def _agrees(row: Row[Any], owed: Owed) -> bool:
    expected = owed.notification
    return (
        owed.identity == (row.subject_id, row.event, row.occurrence, row.clinician_id)
        and row.template == expected.template
        and (row.scheduled_at, row.window_end) == (expected.window.start, expected.window.end)
    )


def _unsent(
    connection: Connection, owed: dict[bytes, Owed], stored: dict[bytes, Row[Any]], now: datetime
) -> list[str]:
    """The window is over and nothing left, or nothing proves that it did.

    What was planned when its window was over already (an old date) is catch-up's own business.
    """
    by_status: dict[bool, list[bytes]] = defaultdict(list)
    for key, each in owed.items():
        row = stored.get(key)
        window = each.notification.window
        if row is not None and window.end <= now and row.created_at < window.end:
            if row.status in UNSENT:
                by_status[False].append(key)
            elif row.status in TOLD:
                by_status[True].append(key)
    accepted = {
        bytes(key) for key in connection.scalars(statement("watchdog_accepted"), {"keys": by_status[True]})
    }
    return [key.hex() for key in by_status[False] + [key for key in by_status[True] if key not in accepted]]


def _closing(connection: Connection, now: datetime) -> list[str]:
    keys = connection.scalars(
        statement("watchdog_closing"),
        {"now": now, "opened_by": now - DELIVERY_TIME, "closing_by": now + HOUR},
    )
    return [bytes(key).hex() for key in keys]
