"""Registers into the base and onto the schedule: what the command line and the S3 function share."""

from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, Engine

from nolapse.domain.errors import NolapseError
from nolapse.planning.importing.load import import_records
from nolapse.planning.importing.progress import OnProgress, silent
from nolapse.planning.importing.report import ImportReport
from nolapse.planning.importing.survey import Survey
from nolapse.planning.plan import bounds, plan


class RegisterRefused(NolapseError):
    """Says why without a word of the register: this text ends in logs."""

    def __init__(self, tenant: str, kind: str) -> None:
        super().__init__(f"a register of {tenant} was refused: {kind}")
        self.tenant = tenant
        self.kind = kind


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
    )
