"""/v1/licenses: licences and credentials, whose expiry notifications count down to."""

from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import TIMESTAMP, Date, Row, Text, Uuid, column, func, literal_column, table

from nolapse.api import schemas
from nolapse.api.bulk import Bulk, BulkResult, upsert
from nolapse.api.errors import Conflict
from nolapse.api.etags import require_match
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import ABSENT, WRITTEN, Body, Edited, Listed, Model, differences, patched
from nolapse.api.v1 import JSON, V1
from nolapse.planning.edits import reschedule
from nolapse.storage.statements import statement

Status = Literal["ACTIVE", "ENDED"]
# What the database holds: the years that zone_offset covers with every step of a policy.
ExpiryDate = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2099, 12, 31)), WRITTEN]
LICENSE = table(
    "licenses",
    *(
        column(name, Text)
        for name in ("license_type", "state", "license_number", "status", "register_status")
    ),
    *(column(name, Uuid) for name in ("license_id", "clinician_id")),
    column("expires_on", Date),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("created_at", "updated_at", "deleted_at")),
)
LISTING = Listing(
    table=LICENSE,
    key=LICENSE.c.license_id,
    sorts={
        "created_at": LICENSE.c.license_id,  # version 7: in order of time
        "expires_on": func.coalesce(LICENSE.c.expires_on, literal_column("'infinity'", Date)),
        "license_number": LICENSE.c.license_number,
    },
    standing=LICENSE.c.deleted_at.is_(None),
)
Sort = Literal["created_at", "-created_at", "expires_on", "-expires_on", "license_number", "-license_number"]


class LicenseBody(Body):
    clinician_id: UUID = Field(description="who holds it")
    license_type: schemas.Text = Field(examples=["RN"])
    state: schemas.State | None = Field(
        default=None, description="who issued it: a US state by code or name, or another; null: no state"
    )
    license_number: schemas.Text
    expires_on: ExpiryDate | None = Field(default=None, description="null: it never expires")
    status: Status = Field(default="ACTIVE", description="ENDED: surrendered or revoked, nobody is reminded")


class LicensePatch(Body):
    """JSON Merge Patch (RFC 7396): what is left out stays."""

    clinician_id: UUID = ABSENT
    license_type: schemas.Text = ABSENT
    state: schemas.State | None = ABSENT
    license_number: schemas.Text = ABSENT
    expires_on: ExpiryDate | None = ABSENT
    status: Status = ABSENT


class Licenses(Page):
    sort: Sort = Field(
        default="expires_on", description="a minus sorts downwards; what never expires counts as latest"
    )
    clinician_id: UUID | None = None
    license_number: str | None = Field(default=None, max_length=200)
    license_type: str | None = Field(default=None, max_length=200)
    state: schemas.State | None = None
    status: Status | None = None
    expires_from: ExpiryDate | None = Field(default=None, description="on this day or later")
    expires_until: ExpiryDate | None = Field(default=None, description="on this day or earlier")


class License(Model):
    license_id: UUID
    clinician_id: UUID
    license_type: str
    state: str | None
    license_number: str
    expires_on: date | None
    status: Status
    register_status: str | None = Field(description="as the last import's register put it")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class EditedLicense(License, Edited):
    pass


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/licenses")
    def list_licenses(asked: Annotated[Licenses, Query()]) -> Listed[License]:
        """List licences."""
        # A physician's own, for the index's sake: the database shows no others anyway.
        given = {**asked.filters, "clinician_id": asked.clinician_id or v1.principal.clinician_id}
        expiry = LISTING.sorts["expires_on"]
        where = [expiry >= asked.expires_from] if asked.expires_from else []
        where += [expiry <= asked.expires_until] if asked.expires_until else []
        rows, following = LISTING.page(
            v1.connection, v1.keys, v1.now, asked, asked.sort, given=given, where=where
        )
        return Listed[License](items=[_shown(row) for row in rows], next=following)

    @v1.route("POST", "/v1/licenses", status=HTTPStatus.CREATED)
    def create_license(body: LicenseBody) -> Response[EditedLicense]:
        """Add a licence.

        What it calls for is planned in the same transaction. One that was deleted comes back under its id.
        """
        values = {**body.model_dump(), "tenant_id": v1.principal.tenant_id, "now": v1.now}
        row = v1.connection.execute(statement("create_license"), values).one_or_none()
        if row is None:
            raise Conflict("license_number", "there is another licence of this number, type and state")
        made = _edited(v1, row, {row.clinician_id}, "license.created", sorted(body.model_fields_set))
        return Response(HTTPStatus.CREATED, JSON, made, {"Location": f"/v1/licenses/{made.license_id}"})

    @v1.route("POST", "/v1/licenses/bulk")
    def upsert_licenses(body: Bulk[LicenseBody]) -> BulkResult:
        """Add or replace many licences, by number, type and state.

        All or none. What you send stands: there is no If-Match.
        """
        return upsert(
            v1,
            body.items,
            kind="license",
            named=lambda it: ("license_number", (it.license_number, it.license_type, it.state)),
        )

    @v1.route("GET", "/v1/licenses/<license_id>")
    def get_license(license_id: UUID) -> License:
        """Read a licence."""
        return _shown(v1.only(v1.connection.execute(LISTING.one(license_id)), "licence"))

    @v1.route("PUT", "/v1/licenses/<license_id>")
    def replace_license(license_id: UUID, body: LicenseBody) -> EditedLicense:
        """Replace a licence.

        Its notifications follow in the same transaction, also to another holder.
        """
        return _change(v1, _locked(v1, license_id), body)

    @v1.route("PATCH", "/v1/licenses/<license_id>")
    def change_license(license_id: UUID, body: LicensePatch) -> EditedLicense:
        """Change some of a licence."""
        current = _locked(v1, license_id)
        return _change(v1, current, patched(LicenseBody, current, body))

    @v1.route("DELETE", "/v1/licenses/<license_id>")
    def delete_license(license_id: UUID) -> Edited:
        """Delete a licence.

        What was to be told about it is cancelled; what was sent stays on record.
        """
        current = _locked(v1, license_id)
        v1.connection.execute(statement("delete_license"), {"license_id": license_id, "now": v1.now})
        done = Edited(rescheduled=reschedule(v1.connection, [current.clinician_id], v1.limits))
        v1.audit("license.deleted", f"license:{license_id}")
        return done


def _locked(v1: V1, license_id: UUID) -> License:
    """As it stands, and stays until this transaction ends; as whoever edits it saw it. Raises what If-Match says."""
    rows = v1.connection.execute(statement("lock_license"), {"license_id": license_id})
    current = _shown(v1.only(rows, "licence"))
    require_match(v1.if_match, current)
    return current


def _change(v1: V1, current: License, body: LicenseBody) -> EditedLicense:
    values = {**body.model_dump(), "license_id": current.license_id, "now": v1.now}
    row = v1.connection.execute(statement("change_license"), values).one()
    return _edited(
        v1, row, {current.clinician_id, row.clinician_id}, "license.changed", differences(current, body)
    )


def _edited(v1: V1, row: Row[Any], holders: set[UUID], action: str, changed: list[str]) -> EditedLicense:
    rescheduled = reschedule(v1.connection, sorted(holders), v1.limits)
    v1.audit(action, f"license:{row.license_id}", changed)
    return EditedLicense(**_shown(row).model_dump(), rescheduled=rescheduled)


def _shown(row: Row[Any]) -> License:
    return License.model_validate(row._mapping, extra="ignore")  # noqa: SLF001  SQLAlchemy's way to a mapping
