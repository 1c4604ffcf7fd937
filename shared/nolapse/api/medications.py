"""/v1/medications: what somebody takes and when (RFC 5545); each dose has a reminder and a window of its own."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import ARRAY, TIMESTAMP, DateTime, Integer, Row, Text, Uuid, column, table

from nolapse.api import clinicians, schemas
from nolapse.api.errors import Unprocessable
from nolapse.api.etags import require_match
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import ABSENT, Body, Edited, Listed, Model, differences, patched
from nolapse.api.v1 import JSON, V1
from nolapse.domain.doses import Lateness
from nolapse.domain.errors import UnknownZone
from nolapse.domain.recurrence import Recurrence, UnusableRecurrence
from nolapse.planning import medications
from nolapse.planning.edits import what_changed
from nolapse.planning.medications import Prescription, UnusableRegimen
from nolapse.planning.plan import PlanReport
from nolapse.storage.statements import statement

MINUTES = ("on_time_minutes", "safe_minutes", "least_gap_minutes")
MEDICATION = table(
    "medications",
    *(column(name, Text) for name in ("label", "timezone", "rrule", "lateness", "status")),
    *(column(name, Uuid) for name in ("medication_id", "clinician_id", "caregiver_id")),
    *(column(name, Integer) for name in MINUTES),
    column("starts_at", DateTime),
    column("exdates", ARRAY(DateTime)),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("created_at", "updated_at", "deleted_at")),
)
LISTING = Listing(
    table=MEDICATION,
    key=MEDICATION.c.medication_id,
    sorts={"created_at": MEDICATION.c.medication_id, "label": MEDICATION.c.label},
    standing=MEDICATION.c.deleted_at.is_(None),
)
Sort = Literal["created_at", "-created_at", "label", "-label"]
Status = Literal["ACTIVE", "STOPPED"]
Minutes = Annotated[int, Field(ge=5, le=1440)]
RFC_5545 = Field(
    max_length=4_000,
    description="DTSTART;TZID=…, RRULE and perhaps EXDATE lines (RFC 5545)",
    examples=["DTSTART;TZID=America/New_York:20261201T080000\nRRULE:FREQ=DAILY;BYHOUR=8,20"],
)


class MedicationBody(Body):
    clinician_id: UUID = Field(description="who takes it; a medication keeps its taker")
    caregiver_id: UUID | None = Field(
        default=None, description="told of a dose that its taker was not told of"
    )
    label: schemas.Text = Field(description="what messages call it: as discreet as the person wants it")
    recurrence: Annotated[str, RFC_5545]
    lateness: Lateness = Field(
        default=Lateness.SHORTEN, description="what becomes of a reminder after on_time_minutes"
    )
    on_time_minutes: Minutes = 30
    safe_minutes: Minutes = Field(default=120, description="after so long nobody is told to take it any more")
    least_gap_minutes: Minutes = Field(default=60, description="no two reminders closer than this")
    status: Status = "ACTIVE"


class MedicationPatch(Body):
    """JSON Merge Patch (RFC 7396): what is left out stays."""

    clinician_id: UUID = ABSENT
    caregiver_id: UUID | None = ABSENT
    label: schemas.Text = ABSENT
    recurrence: Annotated[str, RFC_5545] = ABSENT
    lateness: Lateness = ABSENT
    on_time_minutes: Minutes = ABSENT
    safe_minutes: Minutes = ABSENT
    least_gap_minutes: Minutes = ABSENT
    status: Status = ABSENT


class Medications(Page):
    sort: Sort = Field(default="created_at", description="a minus sorts downwards")
    clinician_id: UUID | None = None
    caregiver_id: UUID | None = None
    status: Status | None = None


class Medication(Model):
    medication_id: UUID
    clinician_id: UUID
    caregiver_id: UUID | None
    label: str
    recurrence: str
    lateness: Lateness
    on_time_minutes: int
    safe_minutes: int
    least_gap_minutes: int
    status: Status
    created_at: AwareDatetime
    updated_at: AwareDatetime


class EditedMedication(Medication, Edited):
    pass


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/medications")
    def list_medications(asked: Annotated[Medications, Query()]) -> Listed[Medication]:
        """List medications."""
        given = {**asked.filters, "clinician_id": asked.clinician_id or v1.principal.clinician_id}
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort, given=given)
        return Listed[Medication](items=[_shown(row) for row in rows], next=following)

    @v1.route("POST", "/v1/medications", status=HTTPStatus.CREATED)
    def create_medication(body: MedicationBody) -> Response[EditedMedication]:
        """Add a medication, due from now on."""
        prescription = _prescription(body)
        if v1.connection.execute(clinicians.LISTING.one(body.clinician_id)).one_or_none() is None:
            raise Unprocessable.of("clinician_id", "is no person of yours")
        medication_id, report = medications.prescribe(
            v1.connection, body.clinician_id, prescription, v1.limits
        )
        if body.status == "STOPPED":
            report = medications.stop(v1.connection, medication_id, v1.limits)
        made = _edited(v1, medication_id, report, "medication.created", sorted(body.model_fields_set))
        return Response(HTTPStatus.CREATED, JSON, made, {"Location": f"/v1/medications/{medication_id}"})

    @v1.route("GET", "/v1/medications/<medication_id>")
    def get_medication(medication_id: UUID) -> Medication:
        """Read a medication."""
        return _read(v1, medication_id)

    @v1.route("PUT", "/v1/medications/<medication_id>")
    def replace_medication(medication_id: UUID, body: MedicationBody) -> EditedMedication:
        """Replace a medication.

        A dose before the change belongs to the regimen before it.
        """
        return _change(v1, _matched(v1, medication_id), body)

    @v1.route("PATCH", "/v1/medications/<medication_id>")
    def change_medication(medication_id: UUID, body: MedicationPatch) -> EditedMedication:
        """Change some of a medication, or stop it."""
        current = _matched(v1, medication_id)
        return _change(v1, current, patched(MedicationBody, current, body))

    @v1.route("DELETE", "/v1/medications/<medication_id>")
    def delete_medication(medication_id: UUID) -> Edited:
        """Delete a medication.

        Nobody is told to take it any more; what was sent stays on record.
        """
        _matched(v1, medication_id)
        report = medications.stop(v1.connection, medication_id, v1.limits)
        v1.connection.execute(statement("delete_medication"), {"medication_id": medication_id, "now": v1.now})
        done = Edited(rescheduled=what_changed(v1.connection, report.touched, v1.now))
        v1.audit("medication.deleted", f"medication:{medication_id}")
        return done


def _matched(v1: V1, medication_id: UUID) -> Medication:
    rows = v1.connection.execute(statement("lock_medication"), {"medication_id": medication_id})
    current = _shown(v1.only(rows, "medication"))
    require_match(v1.if_match, current)
    return current


def _change(v1: V1, current: Medication, body: MedicationBody) -> EditedMedication:
    if body.clinician_id != current.clinician_id:
        raise Unprocessable.of(
            "clinician_id", "a medication keeps its taker: delete this one and add another"
        )
    report = medications.change(
        v1.connection, current.medication_id, _prescription(body), v1.limits, stopped=body.status == "STOPPED"
    )
    return _edited(v1, current.medication_id, report, "medication.changed", differences(current, body))


def _edited(
    v1: V1, medication_id: UUID, report: PlanReport, action: str, changed: list[str]
) -> EditedMedication:
    now = _read(v1, medication_id)
    rescheduled = what_changed(v1.connection, report.touched, v1.now)
    v1.audit(action, f"medication:{medication_id}", changed)
    return EditedMedication(**now.model_dump(), rescheduled=rescheduled)


def _read(v1: V1, medication_id: UUID) -> Medication:
    return _shown(v1.only(v1.connection.execute(LISTING.one(medication_id)), "medication"))


def _prescription(body: MedicationBody) -> Prescription:
    """Raises Unprocessable."""
    try:
        return Prescription(
            body.label,
            Recurrence.read(body.recurrence),
            body.caregiver_id,
            body.lateness,
            *(timedelta(minutes=getattr(body, name)) for name in MINUTES),
        )
    except (UnusableRecurrence, UnknownZone) as error:
        raise Unprocessable.of("recurrence", str(error)) from None
    except UnusableRegimen as error:
        field = error.field if error.field == "recurrence" else f"{error.field}_minutes"
        raise Unprocessable.of(field, str(error).partition(": ")[2]) from None


def _shown(row: Row[Any]) -> Medication:
    recurrence = Recurrence(row.starts_at, row.timezone, row.rrule, tuple(row.exdates))
    return Medication.model_validate({**row._mapping, "recurrence": str(recurrence)})  # noqa: SLF001  a mapping
