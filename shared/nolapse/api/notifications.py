"""/v1/notifications: what was, is and will be told; the timeline of a licence or a person says why."""

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime, Field
from sqlalchemy import (
    ARRAY,
    TIMESTAMP,
    Boolean,
    ColumnElement,
    Date,
    LargeBinary,
    Row,
    Text,
    Uuid,
    column,
    table,
)

from nolapse.api import clinicians, licenses
from nolapse.api.errors import NotFound
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import Instant, Listed, Model
from nolapse.api.v1 import V1
from nolapse.domain.states import Status
from nolapse.planning.timeline import Entry, Subject, timeline

NOTIFICATION = table(
    "notification_schedule",
    *(column(name, Text) for name in ("occasion", "event", "occurrence", "template", "status", "reason")),
    *(column(name, Uuid) for name in ("clinician_id", "license_id", "person_date_id", "medication_id")),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("scheduled_at", "window_end", "updated_at")),
    column("idempotency_key", LargeBinary),
    column("occasion_date", Date),
    column("channels", ARRAY(Text)),
    column("late", Boolean),
)
LISTING = Listing(
    table=NOTIFICATION,
    key=NOTIFICATION.c.idempotency_key,
    sorts={"scheduled_at": NOTIFICATION.c.scheduled_at},
)
Key = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
# A timeline reaches beyond what is stored: further than this nobody plans.
DaysAhead = Annotated[int, Query(ge=0, le=3653, description="computed beyond what is stored")]
USUAL_DAYS_AHEAD = 731


class Notifications(Page):
    sort: Literal["scheduled_at", "-scheduled_at"] = Field(
        default="scheduled_at", description="a minus: the latest first"
    )
    status: Status | None = None
    occasion: str | None = Field(default=None, max_length=100, examples=["LICENSE_EXPIRY"])
    event: str | None = Field(default=None, max_length=100, examples=["PRIMARY"])
    clinician_id: UUID | None = Field(default=None, description="who is told")
    license_id: UUID | None = None
    medication_id: UUID | None = None
    late: bool | None = None
    scheduled_from: Instant | None = Field(default=None, description="whose window opens then or later")
    scheduled_until: Instant | None = Field(default=None, description="whose window opens before then")


class Notification(Model):
    key: str
    clinician_id: UUID
    license_id: UUID | None
    person_date_id: UUID | None
    medication_id: UUID | None
    occasion: str
    event: str
    occurrence: str
    template: str
    channels: list[str]
    scheduled_at: AwareDatetime
    window_end: AwareDatetime
    status: Status
    late: bool
    reason: str | None
    updated_at: AwareDatetime


class Timeline(Model):
    entries: list[Entry]


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/notifications")
    def list_notifications(asked: Annotated[Notifications, Query()]) -> Listed[Notification]:
        """List notifications in order of time."""
        at = NOTIFICATION.c.scheduled_at
        where: list[ColumnElement[bool]] = [at >= asked.scheduled_from] if asked.scheduled_from else []
        where += [at < asked.scheduled_until] if asked.scheduled_until else []
        given = {**asked.filters, "clinician_id": asked.clinician_id or v1.principal.clinician_id}
        rows, following = LISTING.page(
            v1.connection, v1.keys, v1.now, asked, asked.sort, given=given, where=where
        )
        return Listed[Notification](items=[_shown(row) for row in rows], next=following)

    @v1.route("GET", "/v1/licenses/<license_id>/timeline")
    def get_license_timeline(license_id: UUID, days_ahead: DaysAhead = USUAL_DAYS_AHEAD) -> Timeline:
        """All that was and will be told about a licence, with attempts and transitions."""
        row = v1.only(v1.connection.execute(licenses.LISTING.one(license_id)), "licence")
        return _timeline(v1, Subject(row.clinician_id, license_id), days_ahead)

    @v1.route("GET", "/v1/clinicians/<clinician_id>/timeline")
    def get_clinician_timeline(clinician_id: UUID, days_ahead: DaysAhead = USUAL_DAYS_AHEAD) -> Timeline:
        """All that was and will be told about a person's dates, with attempts and transitions."""
        clinicians.read(v1, clinician_id)
        return _timeline(v1, Subject(clinician_id), days_ahead)

    @v1.route("GET", "/v1/notifications/<key>")
    def get_notification(key: Key) -> Notification:
        """Read a notification."""
        rows = v1.connection.execute(LISTING.one(bytes.fromhex(key))).all()
        if not rows:
            raise NotFound("notification")
        return _shown(rows[0])


def _timeline(v1: V1, subject: Subject, days_ahead: int) -> Timeline:
    v1.shows(subject.clinician_id)
    until = v1.now + timedelta(days=days_ahead)
    return Timeline(
        entries=timeline(v1.connection, subject, now=v1.now, stored_until=v1.limits.horizon, until=until)
    )


def _shown(row: Row[Any]) -> Notification:
    return Notification.model_validate({**row._mapping, "key": bytes(row.idempotency_key).hex()})  # noqa: SLF001
