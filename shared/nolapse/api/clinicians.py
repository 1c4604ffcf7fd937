"""/v1/clinicians: the people whom notifications are about, and who get them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import TIMESTAMP, Row, Text, Uuid, column, table

from nolapse.api import schemas
from nolapse.api.bulk import Bulk, BulkResult, upsert
from nolapse.api.constraints import CALLED_SO
from nolapse.api.errors import Conflict
from nolapse.api.etags import require_match
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import ABSENT, Body, Edited, Email, Listed, Model, Phone, Zone, differences, patched
from nolapse.api.v1 import JSON, V1
from nolapse.planning.edits import READ_WHEN_SENT, Rescheduled, reschedule
from nolapse.storage.statements import statement

Role = Literal["CLINICIAN", "SUPERVISOR", "STAFF", "PATIENT", "CAREGIVER"]
Status = Literal["ACTIVE", "LEFT", "DECEASED"]
PERSON = table(
    "clinicians",
    *(
        column(name, Text)
        for name in ("external_id", "role", "full_name", "email", "phone", "whatsapp", "timezone", "status")
    ),
    *(column(name, Uuid) for name in ("clinician_id", "supervisor_id")),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("created_at", "updated_at", "deleted_at")),
)
LISTING = Listing(
    table=PERSON,
    key=PERSON.c.clinician_id,
    sorts={
        "created_at": PERSON.c.clinician_id,  # version 7: in order of time
        "external_id": PERSON.c.external_id,
        "full_name": PERSON.c.full_name,
    },
    standing=PERSON.c.deleted_at.is_(None),
)
Sort = Literal["created_at", "-created_at", "external_id", "-external_id", "full_name", "-full_name"]


class ClinicianBody(Body):
    external_id: schemas.Text = Field(description="what your own systems call this person; unique")
    role: Role = "CLINICIAN"
    full_name: schemas.Text
    email: Email | None = Field(default=None, description="null: your clinic's contact is told instead")
    phone: Phone | None = None
    whatsapp: Phone | None = Field(
        default=None, description="where this person agreed to be written to by WhatsApp; null: has not"
    )
    timezone: Zone | None = Field(default=None, description="null: your clinic's")
    supervisor_id: UUID | None = Field(default=None, description="a clinician: told where a policy says so")
    status: Status = Field(default="ACTIVE", description="nobody is told about a person who is not ACTIVE")


class ClinicianPatch(Body):
    """JSON Merge Patch (RFC 7396): what is left out stays."""

    external_id: schemas.Text = ABSENT
    role: Role = ABSENT
    full_name: schemas.Text = ABSENT
    email: Email | None = ABSENT
    phone: Phone | None = ABSENT
    whatsapp: Phone | None = ABSENT
    timezone: Zone | None = ABSENT
    supervisor_id: UUID | None = ABSENT
    status: Status = ABSENT


class Clinicians(Page):
    sort: Sort = Field(default="full_name", description="a minus sorts downwards")
    external_id: str | None = Field(default=None, max_length=200)
    role: Role | None = None
    status: Status | None = None
    supervisor_id: UUID | None = None


class Person(Model):
    external_id: str
    role: Role
    full_name: str
    email: str | None
    phone: str | None
    whatsapp: str | None
    timezone: str | None
    supervisor_id: UUID | None
    status: Status
    created_at: AwareDatetime
    updated_at: AwareDatetime


class Clinician(Person):
    clinician_id: UUID


class EditedClinician(Clinician, Edited):
    pass


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/clinicians")
    def list_clinicians(asked: Annotated[Clinicians, Query()]) -> Listed[Clinician]:
        """List people."""
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort)
        return Listed[Clinician](items=[shown(row) for row in rows], next=following)

    @v1.route("POST", "/v1/clinicians", status=HTTPStatus.CREATED)
    def create_clinician(body: ClinicianBody) -> Response[EditedClinician]:
        """Add a person.

        One who was deleted comes back under the id that they had, with the dates that they had.
        """
        made = edited(v1, create(v1, body), "clinician.created", sorted(body.model_fields_set))
        return Response(HTTPStatus.CREATED, JSON, made, {"Location": f"/v1/clinicians/{made.clinician_id}"})

    @v1.route("POST", "/v1/clinicians/bulk")
    def upsert_clinicians(body: Bulk[ClinicianBody]) -> BulkResult:
        """Add or replace many people, by external_id.

        All or none. What you send stands: there is no If-Match.
        """
        return upsert(v1, body.items, kind="clinician", named=lambda it: ("external_id", (it.external_id,)))

    @v1.route("GET", "/v1/clinicians/<clinician_id>")
    def get_clinician(clinician_id: UUID) -> Clinician:
        """Read a person."""
        return read(v1, clinician_id)

    @v1.route("PUT", "/v1/clinicians/<clinician_id>")
    def replace_clinician(clinician_id: UUID, body: ClinicianBody) -> EditedClinician:
        """Replace a person.

        Their notifications, and those of whom they supervise or care for, follow in the same transaction.
        """
        return _change(v1, _matched(v1, clinician_id), body)

    @v1.route("PATCH", "/v1/clinicians/<clinician_id>")
    def change_clinician(clinician_id: UUID, body: ClinicianPatch) -> EditedClinician:
        """Change some of a person."""
        current = _matched(v1, clinician_id)
        return _change(v1, current, patched(ClinicianBody, current, body))

    @v1.route("DELETE", "/v1/clinicians/<clinician_id>")
    def delete_clinician(clinician_id: UUID) -> Edited:
        """Delete a person.

        What was to be told about them is cancelled; what was sent stays on record.
        """
        _matched(v1, clinician_id)
        return delete(v1, clinician_id)


def create(v1: V1, body: ClinicianBody) -> Row[Any]:
    """Raises Conflict."""
    values = {**body.model_dump(), "tenant_id": v1.principal.tenant_id, "now": v1.now}
    row = v1.connection.execute(statement("create_clinician"), values).one_or_none()
    if row is None:
        raise Conflict("external_id", CALLED_SO)
    return row


def read(v1: V1, clinician_id: UUID) -> Clinician:
    return shown(v1.only(v1.connection.execute(LISTING.one(clinician_id)), "clinician"))


def lock(v1: V1, clinician_id: UUID) -> Clinician:
    """As they stand, until this transaction ends."""
    rows = v1.connection.execute(statement("lock_clinician"), {"clinician_id": clinician_id})
    return shown(v1.only(rows, "clinician"))


def write(v1: V1, clinician_id: UUID, body: ClinicianBody) -> Row[Any]:
    values = {**body.model_dump(), "clinician_id": clinician_id, "now": v1.now}
    return v1.connection.execute(statement("change_clinician"), values).one()


def delete(v1: V1, clinician_id: UUID) -> Edited:
    v1.connection.execute(statement("delete_clinician"), {"clinician_id": clinician_id, "now": v1.now})
    done = Edited(rescheduled=reschedule(v1.connection, [clinician_id], v1.limits))
    v1.audit("clinician.deleted", f"clinician:{clinician_id}")
    return done


def edited(v1: V1, row: Row[Any], action: str, changed: Sequence[str]) -> EditedClinician:
    plans = action != "clinician.changed" or not READ_WHEN_SENT.issuperset(changed)
    rescheduled = reschedule(v1.connection, [row.clinician_id], v1.limits) if plans else Rescheduled()
    v1.audit(action, f"clinician:{row.clinician_id}", changed)
    return EditedClinician(**shown(row).model_dump(), rescheduled=rescheduled)


def shown(row: Row[Any]) -> Clinician:
    return Clinician.model_validate(row._mapping, extra="ignore")  # noqa: SLF001  SQLAlchemy's way to a mapping


def _matched(v1: V1, clinician_id: UUID) -> Clinician:
    current = lock(v1, clinician_id)
    require_match(v1.if_match, current)
    return current


def _change(v1: V1, current: Clinician, body: ClinicianBody) -> EditedClinician:
    return edited(v1, write(v1, current.clinician_id, body), "clinician.changed", differences(current, body))
