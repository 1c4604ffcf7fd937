"""Registers into the base and onto the schedule: what the command line and the S3 function share."""

import json
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine

from nolapse.domain.errors import NolapseError
from nolapse.planning.importing.errors import ImportRefused
from nolapse.planning.importing.load import import_records
from nolapse.planning.importing.progress import OnProgress, Progress, silent
from nolapse.planning.importing.report import ImportReport
from nolapse.planning.importing.survey import Survey
from nolapse.planning.plan import bounds, plan
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement


class RegisterRefused(NolapseError):
    """Says why without a word of the register: this text ends in logs."""

    def __init__(self, tenant: str, kind: str) -> None:
        super().__init__(f"a register of {tenant} was refused: {kind}")
        self.tenant = tenant
        self.kind = kind


def why(error: Exception) -> str:
    """What an import that failed tells whoever sent the register."""
    if isinstance(error, ImportRefused):
        return str(error)
    return (
        f"nothing was imported, and what failed is no single row ({type(error).__name__}): send the register again,"
        " and if it fails again, tell whoever runs Nolapse the id of this import"
    )


def import_register(
    engine: Engine,
    survey: Survey,
    *,
    tenant: str | None,
    rejects: Path,
    actor: str,
    now: datetime,
    horizon_months: int,
    lookback_days: int,
    on_progress: OnProgress = silent,
    import_id: UUID | None = None,
) -> ImportReport:
    """Import a surveyed register and plan what it calls for, in one transaction. Raises ImportRefused."""
    limits = bounds(now, horizon_months=horizon_months, lookback_days=lookback_days)

    def replan(connection: Connection, tenant_id: UUID | None) -> None:
        plan(connection, limits, tenant_id=tenant_id)

    return import_records(
        engine,
        survey,
        tenant=tenant,
        rejects=rejects,
        now=now,
        actor=actor,
        replan=replan,
        on_progress=on_progress,
        import_id=import_id,
    )


def telling(engine: Engine, import_id: UUID | None, actor: str) -> OnProgress:
    """Progress into the job's row, in transactions of its own: the import's shows nothing before it is done."""

    def tell(progress: Progress) -> None:
        with transaction(engine, actor) as connection:
            connection.execute(
                statement("import_progress"),
                {"import_id": import_id, "progress": json.dumps(progress._asdict())},
            )

    return tell if import_id else silent


def refuse(engine: Engine, import_id: UUID, kind: str, *, actor: str, now: datetime) -> None:
    """The job of a register that was not even read to its end; one that began says so itself."""
    with transaction(engine, actor) as connection:
        connection.execute(statement("import_refuse"), {"import_id": import_id, "failure": kind, "now": now})
