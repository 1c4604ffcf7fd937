"""/v1/suppressions: addresses that are sent nothing, named by a digest, and let go by hand."""

from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import (
    TIMESTAMP,
    Boolean,
    ColumnElement,
    LargeBinary,
    Row,
    Text,
    Uuid,
    column,
    func,
    table,
    true,
)

from nolapse.api.errors import Conflict
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import Listed, Model
from nolapse.api.v1 import V1
from nolapse.delivery.suppressions import LiftRefused, lift
from nolapse.domain.receipts import Suppression

SUPPRESSION = table(
    "suppressions",
    *(column(name, Uuid) for name in ("suppression_id", "tenant_id")),
    *(column(name, Text) for name in ("channel", "reason")),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("since", "updated_at")),
    column("in_force", Boolean),
    column("address_sha256", LargeBinary),
)
LISTING = Listing(
    table=SUPPRESSION,
    key=SUPPRESSION.c.suppression_id,
    sorts={"since": SUPPRESSION.c.since},
    standing=SUPPRESSION.c.in_force == true(),
)


class Suppressions(Page):
    sort: Literal["since", "-since"] = Field(default="-since", description="a minus: the latest first")
    channel: str | None = Field(default=None, max_length=20, examples=["EMAIL"])
    reason: Suppression | None = None
    address: str | None = Field(
        default=None, max_length=254, description="of this e-mail address or number alone"
    )


class SuppressionItem(Model):
    suppression_id: UUID
    channel: str
    reason: Suppression
    since: AwareDatetime
    address_sha256: str = Field(description="the address itself is not kept here")


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/suppressions")
    def list_suppressions(asked: Annotated[Suppressions, Query()]) -> Listed[SuppressionItem]:
        """List addresses that are sent nothing."""
        where: list[ColumnElement[bool]] = [SUPPRESSION.c.tenant_id == v1.principal.tenant_id]
        where += [SUPPRESSION.c.address_sha256 == func.address_digest(asked.address)] if asked.address else []
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort, where=where)
        return Listed[SuppressionItem](items=[_shown(row) for row in rows], next=following)

    @v1.route("POST", "/v1/suppressions/<suppression_id>/lift")
    def lift_suppression(suppression_id: UUID) -> SuppressionItem:
        """Let an address be written to again.

        A number whose owner texted STOP is let go by texting START alone.
        """
        row = v1.only(v1.connection.execute(LISTING.one(suppression_id)), "suppression in force")
        try:
            lift(v1.connection, suppression_id, who=v1.principal.actor, now=v1.now)
        except LiftRefused as refused:
            raise Conflict("suppression_id", str(refused)) from None
        return _shown(row)


def _shown(row: Row[Any]) -> SuppressionItem:
    shown = {**row._mapping, "address_sha256": bytes(row.address_sha256).hex()}  # noqa: SLF001  SQLAlchemy's way
    return SuppressionItem.model_validate(shown)
