"""What the schedule says against what an independent recomputation says: drift is healed, held or reported.

In order: the ground (zones, audit chain), the schedule against its attempts, the schedule against its dates. The last
is a digest per tenant first; only a tenant whose digest differs is compared row by row, by planning it again. Last,
the doses of the coming days: a day more of them every night.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import tzdata
from sqlalchemy import Connection, Engine, Row, text

from nolapse.planning.doses import extend
from nolapse.planning.evidence import cancel_orphans, examine
from nolapse.planning.findings import MOST_SUBJECTS, Finding, Kind, ReconcileReport, merged, summary
from nolapse.planning.plan import Bounds, PlanReport, bounds, plan
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement
from nolapse.storage.whole_tables import whole_tables

# One by one each tenant costs a pass of its own over the months; for more of them one pass over all is cheaper.
TENANTS_ONE_BY_ONE = 20

OTHER_VERSION = text("SELECT count(DISTINCT zone) FROM zone_offset WHERE tzdata_version <> :pinned")
AUDIT_RUN = text("""
SELECT append_audit(CAST(ARRAY[NULL] AS uuid[]), ARRAY[CAST(:now AS timestamptz)], 'schedule.reconciled',
  ARRAY['schedule'], NULL, NULL, ARRAY[CAST(:summary AS text)])
""")
ANCHORED = text("SELECT EXISTS (SELECT FROM audit_log WHERE seq = :seq AND hash = :hash)")
AUDIT_END = text("SELECT seq || ':' || encode(hash, 'hex') FROM audit_log ORDER BY seq DESC LIMIT 1")


def reconcile(engine: Engine, *, now: datetime, horizon_months: int, lookback_days: int) -> ReconcileReport:
    """Recompute and heal the whole base, and move its horizon on."""
    with transaction(engine, "reconcile") as connection:
        last = connection.execute(statement("reconcile_last")).one_or_none()
        ground = _examine_ground(connection, last)
    limits = bounds(
        now,
        horizon_months=horizon_months,
        lookback_days=lookback_days,
        promised=last.horizon if last else None,
    )
    findings = [*ground, *examine(engine, now=now)]
    planned, damaged = _compare(engine, limits)
    damaged = [*damaged, extend(engine, replace(limits, promised=now))]
    findings += [*_schedule_findings(planned), *damaged]
    if any(finding.found for finding in findings):
        # A row that came back brings its attempts with it: what is still orphaned is so for good.
        findings = [finding for finding in findings if finding.kind is not Kind.ORPHANED_ATTEMPTS]
        findings += [
            finding
            for finding in examine(engine, now=now)
            if finding.kind is Kind.ORPHANED_ATTEMPTS or finding.left < finding.found
        ]
    drift = sum(report.drift for report in planned) + sum(finding.found for finding in damaged)
    return ReconcileReport(
        findings=merged(findings),
        changes=_changes(planned),
        drift=drift,
        horizon=limits.horizon,
        audit_end=_record(engine, now, summary(drift, merged(findings))),
    )


def _examine_ground(connection: Connection, last: Row[Any] | None) -> list[Finding]:
    """What is wrong with the zones and with the audit chain."""
    zones = connection.scalar(OTHER_VERSION, {"pinned": tzdata.IANA_VERSION}) or 0
    broken = connection.execute(statement("verify_audit")).one().first_broken_seq
    subjects = [] if broken is None else [f"audit:{broken}"]
    # A chain that was cut off holds, only shorter: what the last run saw at its end must still be there.
    if (
        last
        and last.audit_seq
        and not connection.scalar(ANCHORED, {"seq": last.audit_seq, "hash": bytes.fromhex(last.audit_hash)})
    ):
        subjects.append(f"audit:{last.audit_seq}")
    return [
        Finding(Kind.OTHER_TZDATA, zones),
        Finding(Kind.BROKEN_AUDIT_CHAIN, len(subjects), subjects=tuple(subjects)),
    ]


def _record(engine: Engine, now: datetime, findings: str) -> str:
    """Write the run to the audit log; returns where the chain ends then, `seq:hash`."""
    with transaction(engine, "reconcile") as connection:
        connection.execute(AUDIT_RUN, {"now": now, "summary": findings})
        return str(connection.scalar(AUDIT_END))


def _compare(engine: Engine, limits: Bounds) -> tuple[list[PlanReport], list[Finding]]:
    """Heal the schedule where it is not what the dates call for; also returns what planning doesn't see."""
    planned: list[PlanReport] = []
    differing: Sequence[UUID | None] = [None]
    # Else nothing was promised yet, or too long ago to compare with: all is planned.
    if limits.promised - limits.now > timedelta(days=1):
        with transaction(engine, "reconcile") as connection:
            extended, differing = _digest(connection, limits)
        planned.append(extended)
    if not differing:
        return planned, []
    misattributed = _reattribute(engine, limits)
    scopes = differing if len(differing) <= TENANTS_ONE_BY_ONE else [None]
    planned += [_plan(engine, limits, tenant_id) for tenant_id in scopes]
    return planned, [misattributed, cancel_orphans(engine, now=limits.now)]


def _digest(connection: Connection, limits: Bounds) -> tuple[PlanReport, Sequence[UUID]]:
    connection.execute(statement("lock_planning"), {"tenant_id": None, "clinician_ids": None})
    connection.execute(
        text("SELECT ensure_schedule_partitions(CAST(:now AS date), CAST(:horizon AS date))"),
        {"now": limits.now, "horizon": limits.horizon},
    )
    with whole_tables(connection):
        rows = connection.execute(
            statement("reconcile_compare"), _base(limits) | {"promised": limits.promised}
        ).all()
    extended = PlanReport()
    extended.rows["inserted", "PENDING"] = sum(row.rows for row in rows if row.found == "extended")
    return extended, [row.tenant_id for row in rows if row.found == "differing"]


def _reattribute(engine: Engine, limits: Bounds) -> Finding:
    with transaction(engine, "reconcile") as connection, whole_tables(connection):
        rows = connection.execute(statement("reconcile_reattribute"), _base(limits)).all()
    subjects = tuple(f"notification:{bytes(row.idempotency_key).hex()}" for row in rows[:MOST_SUBJECTS])
    return Finding(Kind.MISATTRIBUTED_ROWS, len(rows), healed=len(rows), subjects=subjects)


def _plan(engine: Engine, limits: Bounds, tenant_id: UUID | None) -> PlanReport:
    with transaction(engine, "reconcile") as connection:
        return plan(connection, limits, tenant_id=tenant_id)


def _base(limits: Bounds) -> dict[str, object]:
    """The parameters of expected.sql for everything and everybody."""
    return {
        "now": limits.now,
        "horizon": limits.horizon,
        "late_since": limits.late_since,
        "drafts": [],
        "tenant_id": None,
        "clinician_ids": None,
    }


def _changes(planned: Iterable[PlanReport]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for report in planned:
        total.update(report.counts)
    return {name: count for name, count in total.items() if count}


def _schedule_findings(planned: Iterable[PlanReport]) -> list[Finding]:
    findings = []
    for report in planned:
        revived, restored, cancelled = map(report.changed, ("revived", "restored", "cancelled"))
        missing = report.drift - revived - restored - cancelled
        for kind, rows in (
            (Kind.MISSING_ROWS, missing),
            (Kind.WRONGLY_CANCELLED_ROWS, revived),
            (Kind.DISTORTED_ROWS, restored),
            (Kind.UNCALLED_FOR_ROWS, cancelled),
        ):
            findings.append(Finding(kind, rows, healed=rows))
    return findings
