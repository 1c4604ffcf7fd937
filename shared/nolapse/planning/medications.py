"""Medications: prescribed, changed and stopped, their doses and reminders with them, in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.domain.doses import Lateness
from nolapse.domain.errors import NolapseError
from nolapse.domain.recurrence import Recurrence, least_gap
from nolapse.planning.doses import expand
from nolapse.planning.plan import Bounds, PlanReport, plan

INSERT = text("""
INSERT INTO medications (
  tenant_id, clinician_id, caregiver_id, label, starts_at, timezone, rrule, exdates, lateness, on_time_minutes,
  safe_minutes, least_gap_minutes, effective_from, created_at, updated_at)
SELECT tenant_id, clinician_id, CAST(:caregiver_id AS uuid), :label, :starts_at, :timezone, :rrule,
  CAST(:exdates AS timestamp[]), :lateness, :on_time_minutes, :safe_minutes, :least_gap_minutes, :now, :now, :now
FROM clinicians WHERE clinician_id = :clinician_id
RETURNING medication_id
""")
# A dose before the change belongs to the regimen before it; where the times stay, nothing is cut.
UPDATE = text("""
UPDATE medications SET
  effective_from = CASE
    WHEN (starts_at, timezone, rrule, exdates)
      IS DISTINCT FROM (:starts_at, :timezone, :rrule, CAST(:exdates AS timestamp[])) OR status = 'STOPPED'
    THEN CAST(:now AS timestamptz) ELSE effective_from END,
  caregiver_id = CAST(:caregiver_id AS uuid), label = :label, starts_at = :starts_at, timezone = :timezone,
  rrule = :rrule, exdates = CAST(:exdates AS timestamp[]), lateness = :lateness, on_time_minutes = :on_time_minutes,
  safe_minutes = :safe_minutes, least_gap_minutes = :least_gap_minutes, status = :status, updated_at = :now
WHERE medication_id = :medication_id
RETURNING clinician_id
""")
STOP = text("""
UPDATE medications SET status = 'STOPPED', updated_at = :now
WHERE medication_id = :medication_id
RETURNING clinician_id
""")


class UnusableRegimen(NolapseError):
    """`field` is the one to change."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class NoSuchMedication(NolapseError):
    def __init__(self, medication_id: UUID) -> None:
        super().__init__(f"there is no medication {medication_id}")
        self.medication_id = medication_id


@dataclass(frozen=True, slots=True)
class Prescription:
    """`label` is what messages call it; `caregiver_id` is who is told of a dose that its taker was not told of.

    Raises UnusableRegimen where doses would come closer than `least_gap`, or `on_time` outlasts `safe`.
    """

    label: str
    recurrence: Recurrence
    caregiver_id: UUID | None = None
    lateness: Lateness = Lateness.SHORTEN
    on_time: timedelta = timedelta(minutes=30)
    safe: timedelta = timedelta(hours=2)
    least_gap: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.on_time > self.safe:
            raise UnusableRegimen("on_time", "is longer than the safe interval: shorten it")
        gap = least_gap(self.recurrence)
        if gap is not None and gap < self.least_gap:
            raise UnusableRegimen(
                "recurrence",
                f"doses come {gap} apart, closer than the least gap, {self.least_gap}: change one",
            )

    @property
    def columns(self) -> dict[str, Any]:
        minutes = {
            f"{name}_minutes": int(length.total_seconds()) // 60
            for name, length in (
                ("on_time", self.on_time),
                ("safe", self.safe),
                ("least_gap", self.least_gap),
            )
        }
        return {
            "label": self.label,
            "caregiver_id": self.caregiver_id,
            "starts_at": self.recurrence.starts_at,
            "timezone": self.recurrence.zone,
            "rrule": self.recurrence.rule,
            "exdates": list(self.recurrence.exdates),
            "lateness": self.lateness.value,
            **minutes,
        }


def prescribe(
    connection: Connection, clinician_id: UUID, prescription: Prescription, limits: Bounds
) -> tuple[UUID, PlanReport]:
    """A new medication of somebody, due from now on."""
    medication_id: UUID = connection.scalar(
        INSERT, {**prescription.columns, "clinician_id": clinician_id, "now": limits.now}
    )
    return medication_id, _replan(connection, [medication_id], clinician_id, limits)


def change(
    connection: Connection,
    medication_id: UUID,
    prescription: Prescription,
    limits: Bounds,
    *,
    stopped: bool = False,
) -> PlanReport:
    """A medication's regimen from now on, taken again where it was stopped. Raises NoSuchMedication.

    `stopped`: nobody is told to take it all the same.
    """
    status = "STOPPED" if stopped else "ACTIVE"
    values = {**prescription.columns, "medication_id": medication_id, "status": status, "now": limits.now}
    return _replan(connection, [medication_id], _holder(connection, UPDATE, values), limits)


def stop(connection: Connection, medication_id: UUID, limits: Bounds) -> PlanReport:
    """Nobody is told to take it any more. Raises NoSuchMedication."""
    values = {"medication_id": medication_id, "now": limits.now}
    return _replan(connection, [medication_id], _holder(connection, STOP, values), limits)


def _holder(connection: Connection, statement: Any, values: dict[str, Any]) -> UUID:
    holder: UUID | None = connection.scalar(statement, values)
    if holder is None:
        raise NoSuchMedication(values["medication_id"])
    return holder


def _replan(
    connection: Connection, medication_ids: Sequence[UUID], holder: UUID, limits: Bounds
) -> PlanReport:
    expand(connection, medication_ids, limits.now)
    return plan(connection, limits, clinician_ids=[holder])
