"""Doses for the coming days: recurrences expanded into `doses`, the horizon moved on, what changed planned anew."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, Row, text

from nolapse.domain.doses import LONGEST, doses
from nolapse.planning.findings import MOST_SUBJECTS, Finding, Kind
from nolapse.planning.plan import Bounds, plan
from nolapse.storage.dates import regimen
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

# Expanded so far ahead: a nightly run may fail for many nights before a dose goes untold.
DOSE_HORIZON = timedelta(days=14)
# So many medications a transaction: 28 doses each are some 30,000 rows.
AT_ONCE = 1000

NEXT = text("""
SELECT medication_id, starts_at, timezone AS regimen_zone, rrule, exdates, lateness, on_time_minutes, safe_minutes,
  effective_from, status
FROM medications
WHERE (CAST(:medication_ids AS uuid[]) IS NULL OR medication_id = ANY (CAST(:medication_ids AS uuid[])))
  AND (CAST(:after AS uuid) IS NULL OR medication_id > CAST(:after AS uuid))
ORDER BY medication_id
LIMIT :limit
FOR UPDATE
""")


@dataclass(frozen=True, slots=True)
class Expansion:
    """`holders`: whose doses are not what they were; `wrong`: the medications whose stored doses were not what they
    recur to, leaving aside the days that are stored for the first time.
    """

    holders: Sequence[UUID]
    wrong: Sequence[UUID]


def expand(connection: Connection, medication_ids: Sequence[UUID], now: datetime) -> Expansion:
    """Bring the stored doses of these medications to what they recur to: to be called with every change of one."""
    rows = connection.execute(
        NEXT, {"medication_ids": list(medication_ids), "after": None, "limit": len(medication_ids)}
    ).all()
    return _store(connection, rows, now)


def extend(engine: Engine, limits: Bounds) -> Finding:
    """Every medication's doses up to DOSE_HORIZON from now, and their reminders; finds stored ones that were wrong."""
    after, wrong = None, list[UUID]()
    while True:
        with transaction(engine, "reconcile") as connection:
            rows = connection.execute(NEXT, {"medication_ids": None, "after": after, "limit": AT_ONCE}).all()
            if not rows:
                break
            expansion = _store(connection, rows, limits.now)
            if expansion.holders:
                plan(connection, limits, clinician_ids=expansion.holders)
        wrong += expansion.wrong
        after = rows[-1].medication_id
    subjects = tuple(f"medication:{each}" for each in wrong[:MOST_SUBJECTS])
    return Finding(Kind.WRONG_DOSES, len(wrong), healed=len(wrong), subjects=subjects)


def _store(connection: Connection, rows: Sequence[Row[Any]], now: datetime) -> Expansion:
    until = now + DOSE_HORIZON
    due = [(row.medication_id, dose) for row in rows for dose in _doses(row, now, until)]
    changed = connection.execute(
        statement("replace_doses"),
        {
            "medications": [row.medication_id for row in rows],
            "until": until,
            "since": _since(now),
            "ids": [medication_id for medication_id, _ in due],
            "occurrences": [dose.occurrence for _, dose in due],
            "days": [dose.due_on for _, dose in due],
            "dues": [dose.due_at for _, dose in due],
            "closings": [dose.closes_at for _, dose in due],
        },
    ).all()
    return Expansion(
        holders=sorted({row.clinician_id for row in changed}),
        wrong=[row.medication_id for row in changed if row.wrong],
    )


def _doses(row: Row[Any], now: datetime, until: datetime) -> Iterator[Any]:
    if row.status == "ACTIVE":
        yield from doses(regimen(row), since=_since(now), until=until)


def _since(now: datetime) -> datetime:
    """What may still be looked at: by planning, as far back as anything is made up for, and by the watchdog."""
    return now - DOSE_HORIZON - LONGEST
