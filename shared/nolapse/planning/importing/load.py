"""Imports a surveyed register: stages its rows, folds them into licences, merges these: one transaction.

Whatever ends an import early, what was there before it stays as it was.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from nolapse.planning.importing.errors import TenantNotNamed, UnknownTenant
from nolapse.planning.importing.headers import Field
from nolapse.planning.importing.job import recorded
from nolapse.planning.importing.progress import EVERY, OnProgress, Progress, Stage, silent
from nolapse.planning.importing.reader import read_rows
from nolapse.planning.importing.records import Interpreted, Interpreter, Record
from nolapse.planning.importing.rejects import REJECTED, WARNING, RejectsFile
from nolapse.planning.importing.report import ImportReport, Merged, Reason, RowCounts
from nolapse.planning.importing.staging import copy_folded_out, copy_in
from nolapse.planning.importing.survey import Survey
from nolapse.storage.engine import said, transaction
from nolapse.storage.statements import statement

# Called once, in the import's transaction, where licences or people changed: for their tenant, or for all (None) where
# more than one is concerned. One statement, since two would wait for rows under the audit's lock.
Replan = Callable[[Connection, UUID | None], None]

# An edit that has one row of a person and wants another meets a merge that has that one: the merge begins again.
TRIES = 3
DEADLOCK_DETECTED = "40P01"


class Change(NamedTuple):
    tenant_id: UUID
    total: int
    new: int
    changed: int


def import_records(
    engine: Engine,
    survey: Survey,
    *,
    tenant: str | None,
    rejects: Path,
    now: datetime,
    actor: str,
    replan: Replan,
    on_progress: OnProgress = silent,
    import_id: UUID | None = None,
) -> ImportReport:
    """`tenant` is the slug or id of all rows' tenant; None where a column names it. Raises ImportRefused.

    `import_id` is the job's where one waits for the register.
    """
    with transaction(engine, actor) as connection:
        tenants = _tenants(connection)
    tenant_id = _tenant_id(tenant, survey, tenants)
    interpreter = Interpreter(survey.mapping, survey.date_order, tenants, tenant_id)
    with (
        recorded(engine, survey, tenant_id=tenant_id, now=now, actor=actor, import_id=import_id) as job,
        transaction(engine, actor) as connection,
        RejectsFile(rejects) as rejected,
    ):
        connection.execute(statement("import_stage"))
        rows = _stage(connection, survey, interpreter, rejected, on_progress)
        on_progress(Progress(Stage.MERGING, rows.read, rows.read))
        merge = _merge(connection, rejected, now)
        replanned = _replan(connection, merge.people + merge.licenses, replan)
        report = ImportReport(
            import_id=job.import_id,
            survey=survey,
            rows=rows,
            folded=merge.folded,
            licenses=_sum(merge.licenses),
            people=_sum(merge.people),
            replanned=replanned,
            rejects=rejects,
        )
        job.done(connection, report.counts())
    return report


def _tenants(connection: Connection) -> dict[str, UUID]:
    """Every tenant by its slug and by its id."""
    found = connection.execute(text("SELECT slug, tenant_id FROM tenants")).all()
    return {key: tenant_id for slug, tenant_id in found for key in (slug, str(tenant_id))}


def _tenant_id(tenant: str | None, survey: Survey, tenants: dict[str, UUID]) -> UUID | None:
    if tenant is None:
        if Field.TENANT not in survey.mapping.choices:
            raise TenantNotNamed
        return None
    if tenant.casefold() not in tenants:
        raise UnknownTenant(tenant)
    return tenants[tenant.casefold()]


def _stage(
    connection: Connection,
    survey: Survey,
    interpreter: Interpreter,
    rejected: RejectsFile,
    on_progress: OnProgress,
) -> RowCounts:
    counts = RowCounts()
    records = _records(survey, interpreter, rejected, counts)
    while batch := list(islice(records, EVERY)):
        copy_in(connection, batch)
        counts.staged += len(batch)
        on_progress(Progress(Stage.LOADING, counts.read, survey.rows))
    return counts


def _records(
    survey: Survey, interpreter: Interpreter, rejected: RejectsFile, counts: RowCounts
) -> Iterator[Record]:
    for row in read_rows(survey.source):
        counts.read += 1
        interpreted = interpreter.read(row)
        if interpreted.problems:
            _note_problems(row.number, interpreted, rejected, counts)
        if interpreted.record is None:
            continue
        if interpreted.sentinel is not None:
            counts.undated[interpreted.sentinel] += 1
        if interpreted.zone_source:
            counts.zones[interpreted.zone_source] += 1
        counts.ended += interpreted.record.status == "ENDED"
        yield interpreted.record


def _note_problems(number: int, interpreted: Interpreted, rejected: RejectsFile, counts: RowCounts) -> None:
    refused = interpreted.record is None
    counts.rejected += refused
    reasons = counts.reject_reasons if refused else counts.warnings
    reasons.update(Reason(problem.field, problem.reason) for problem in interpreted.problems)
    rejected.write(number, REJECTED if refused else WARNING, interpreted.problems)


class Merge(NamedTuple):
    folded: int
    people: list[Change]
    licenses: list[Change]


def _merge(connection: Connection, rejected: RejectsFile, now: datetime) -> Merge:
    # Two imports at once would each add the licences that the other is adding.
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('import'))"))
    connection.execute(text("ANALYZE import_rows"))
    connection.execute(statement("import_fold"))
    connection.execute(text("ANALYZE import_licenses"))
    folded = copy_folded_out(connection, rejected.text)
    connection.execute(statement("import_lock"))
    for _ in range(TRIES - 1):
        try:
            with connection.begin_nested():
                return Merge(folded, *_changes(connection, now))
        except DBAPIError as error:
            if said(error, "C") != DEADLOCK_DETECTED:
                raise
    return Merge(folded, *_changes(connection, now))


def _changes(connection: Connection, now: datetime) -> tuple[list[Change], list[Change]]:
    """Of people and of licences."""
    connection.execute(statement("import_keep_holders"))
    people = connection.execute(statement("import_merge_people"), {"now": now}).all()
    licenses = connection.execute(statement("import_merge_licenses"), {"now": now}).all()
    return [Change(*row) for row in people], [Change(*row) for row in licenses]


def _replan(connection: Connection, changes: list[Change], replan: Replan) -> tuple[UUID, ...]:
    moved = tuple(sorted({change.tenant_id for change in changes if change.new or change.changed}))
    if moved:
        replan(connection, moved[0] if len(moved) == 1 else None)
    return moved


def _sum(changes: list[Change]) -> Merged:
    new = sum(change.new for change in changes)
    changed = sum(change.changed for change in changes)
    return Merged(new, changed, sum(change.total for change in changes) - new - changed)
