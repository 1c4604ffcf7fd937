"""Dates into notifications: one set-based statement (plan.sql, plan_holders.sql for given people), what it changed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.storage.statements import statement
from nolapse.storage.whole_tables import whole_tables


@dataclass(frozen=True, slots=True)
class Bounds:
    """The times of one planning run: rows are stored up to `horizon`, late ones sent since `late_since`.

    `promised` is the horizon of the last complete run: a row before it that has to be inserted was missing.
    """

    now: datetime
    horizon: datetime
    late_since: datetime
    promised: datetime


def bounds(
    now: datetime, *, horizon_months: int, lookback_days: int, promised: datetime | None = None
) -> Bounds:
    return Bounds(
        now=now,
        horizon=now + timedelta(days=horizon_months * 365.25 / 12),
        late_since=now - timedelta(days=lookback_days),
        promised=promised or now,
    )


# A notification by its key and the instant that it was planned for.
Touched = tuple[bytes, datetime]


@dataclass(slots=True)
class PlanReport:
    """Rows by (change, status): inserted, revived, restored, cancelled; `drift` counts what healed.

    `touched`: the rows themselves, where given people were planned.
    """

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    drift: int = 0
    touched: list[Touched] = field(default_factory=list)

    def changed(self, change: str) -> int:
        return sum(count for (kind, _), count in self.rows.items() if kind == change)

    @property
    def counts(self) -> dict[str, int]:
        """For heartbeats and logs: `inserted_pending` and the like."""
        return {f"{change}_{status}".lower(): count for (change, status), count in sorted(self.rows.items())}


def plan(
    connection: Connection,
    bounds: Bounds,
    *,
    tenant_id: UUID | None = None,
    clinician_ids: Sequence[UUID] | None = None,
) -> PlanReport:
    """Bring the schedule of a scope (None: all) to what its dates call for, in the caller's transaction."""
    scope = {"tenant_id": tenant_id, "clinician_ids": None if clinician_ids is None else list(clinician_ids)}
    connection.execute(statement("lock_planning"), scope)
    if clinician_ids is None:
        name, held = "plan", {}
    else:
        name, held = "plan_holders", dict(connection.execute(statement("holdings"), scope).mappings().one())
        if held["licenses"] is held["dates"] is held["medications"] is None:
            return PlanReport()
    connection.execute(
        text("SELECT ensure_schedule_partitions(CAST(:now AS date), CAST(:horizon AS date))"),
        {"now": bounds.now, "horizon": bounds.horizon},
    )
    with whole_tables(connection) if clinician_ids is None else nullcontext():
        changes = connection.execute(
            statement(name),
            {
                **scope,
                **held,
                "now": bounds.now,
                "horizon": bounds.horizon,
                "late_since": bounds.late_since,
                "promised": bounds.promised,
                "drafts": [],
            },
        ).all()
    report = PlanReport()
    summaries: dict[UUID, list[str]] = defaultdict(list)
    for tenant, change, status, rows, drift, keys, times in changes:
        report.rows[change, status] += rows
        report.drift += drift
        report.touched += zip(keys or [], times or [], strict=True)
        summaries[tenant].append(f"{change} {status} {rows}")
    if summaries:
        connection.execute(
            statement("record_plan"),
            {
                "now": bounds.now,
                "tenants": list(summaries),
                "summaries": [", ".join(sorted(lines)) for lines in summaries.values()],
            },
        )
    return report
