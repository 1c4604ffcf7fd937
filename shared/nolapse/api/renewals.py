"""/v1/renewals: licences with how long they have, what is told next and at what risk they are."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import TIMESTAMP, Date, Integer, Text, Uuid, column, func, literal, literal_column, text

from nolapse.api import schemas
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import Listed, Model
from nolapse.api.v1 import V1

Answer = Literal["RENEWED", "IN_PROGRESS", "NOT_MINE"]
Status = Literal["ACTIVE", "ENDED"]
OWN_ZONE = text("SELECT timezone FROM tenants WHERE tenant_id = :tenant_id")
COLUMNS: tuple[Any, ...] = (
    *(column(name, Text) for name in ("license_type", "state", "status", "answer")),
    *(column(name, Uuid) for name in ("license_id", "clinician_id")),
    *(column(name, Integer) for name in ("days_to_expiry", "risk_score")),
    column("expires_on", Date),
    column("next_notification_at", TIMESTAMP(timezone=True)),
)


class Renewals(Page):
    sort: Literal["risk_score", "-risk_score", "expires_on", "-expires_on"] = Field(
        default="-risk_score", description="a minus sorts downwards; what never expires counts as latest"
    )
    clinician_id: UUID | None = None
    license_type: str | None = Field(default=None, max_length=200)
    state: schemas.State | None = None
    status: Status | None = None
    answer: Answer | None = Field(default=None, description="the last one about this date")
    least_risk: int | None = Field(default=None, ge=0, le=100)
    most_days: int | None = Field(
        default=None, ge=-40_000, le=40_000, description="that run out in so many days, or have"
    )


class Renewal(Model):
    license_id: UUID
    clinician_id: UUID
    license_type: str
    state: str | None
    expires_on: date | None
    status: Status
    days_to_expiry: int | None = Field(description="by your clinic's calendar; negative: it has run out")
    next_notification_at: AwareDatetime | None
    answer: Answer | None
    risk_score: int = Field(description="0 to 100: days left, answered or not, reached or not")


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/renewals")
    def list_renewals(asked: Annotated[Renewals, Query()]) -> Listed[Renewal]:
        """List licences by risk.

        Licences and their holders are as they stand, and the days are today's. What comes next, and what was told and
        answered, is up to an hour old; of a licence or a date that is younger nothing of these is known yet.
        """
        zone = v1.connection.scalar(OWN_ZONE, {"tenant_id": v1.principal.tenant_id})
        listing = _listing(v1.now.astimezone(ZoneInfo(zone)).date())
        columns = listing.table.c
        where = [columns.risk_score >= asked.least_risk] if asked.least_risk is not None else []
        where += [columns.days_to_expiry <= asked.most_days] if asked.most_days is not None else []
        rows, following = listing.page(v1.connection, v1.keys, v1.now, asked, asked.sort, where=where)
        return Listed[Renewal](
            items=[Renewal.model_validate(row._mapping, extra="ignore") for row in rows],  # noqa: SLF001
            next=following,
        )


def _listing(today: date) -> Listing:
    renewals = func.renewals_on(literal(today, Date)).table_valued(*COLUMNS)
    return Listing(
        table=renewals,
        key=renewals.c.license_id,
        sorts={
            "risk_score": renewals.c.risk_score,
            "expires_on": func.coalesce(renewals.c.expires_on, literal_column("'infinity'", Date)),
        },
    )
