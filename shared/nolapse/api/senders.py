"""/v1/tenants/{tenant_id}/senders: in whose name a tenant's messages leave.

Its Admins read them, the operator's set them: whom a vendor lets the stack send as may be anybody.
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field, ValidationInfo, field_validator
from sqlalchemy import TIMESTAMP, Integer, Row, Text, Uuid, column, delete, table

from nolapse.api import schemas, tenants
from nolapse.api.errors import Unprocessable
from nolapse.api.etags import require_match
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import ABSENT, Body, Listed, Model, differences, patched
from nolapse.api.tenants import PerMinute
from nolapse.api.v1 import JSON, V1
from nolapse.domain.senders import BY_NUMBER, MOST_PER_MINUTE
from nolapse.storage.statements import statement

SENDER = table(
    "senders",
    *(column(name, Uuid) for name in ("sender_id", "tenant_id")),
    *(column(name, Text) for name in ("provider", "address", "status")),
    column("messages_per_minute", Integer),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("created_at", "updated_at")),
)
LISTING = Listing(
    table=SENDER,
    key=SENDER.c.sender_id,
    sorts={"created_at": SENDER.c.sender_id},  # version 7: in order of time
)
Provider = Literal["graph", "sendgrid", "mailgun", "twilio-sms", "twilio-whatsapp"]
Status = Literal["ACTIVE", "RETIRED"]


class SenderPatch(Body):
    """JSON Merge Patch (RFC 7396): what is left out stays. With another address it is another sender."""

    messages_per_minute: PerMinute | None = ABSENT
    status: Status = ABSENT


class SenderBody(Body):
    provider: Provider
    address: str = Field(
        max_length=254,
        examples=["reminders@clinic.example"],
        description="mailbox or from-address, or a number as E.164 has it; the vendor must let the stack send as it",
    )
    messages_per_minute: PerMinute | None = Field(
        default=None, description="null: as many as a sender of that provider may"
    )
    status: Status = Field(default="ACTIVE", description="RETIRED: nothing leaves by it any more")

    @field_validator("address")
    @classmethod
    def is_the_provider_s(cls, address: str, others: ValidationInfo) -> str:
        if others.data.get("provider") in BY_NUMBER:
            return schemas.phone(address)
        return schemas.email(address).lower()

    @field_validator("messages_per_minute")
    @classmethod
    def is_no_more_than_the_vendor_takes(cls, asked: int | None, others: ValidationInfo) -> int | None:
        provider = others.data.get("provider", "")
        most = MOST_PER_MINUTE.get(provider)
        if asked and most and asked > most:
            raise ValueError(f"is more than a sender of {provider} may send: {most} at most")
        return asked


class Senders(Page):
    sort: Literal["created_at", "-created_at"] = Field(
        default="created_at", description="a minus: the latest first"
    )
    provider: Provider | None = None
    status: Status | None = None


class Sender(Model):
    sender_id: UUID
    tenant_id: UUID
    provider: Provider
    address: str
    messages_per_minute: int | None
    status: Status
    created_at: AwareDatetime
    updated_at: AwareDatetime


def add_routes(v1: V1) -> None:

    @v1.route("GET", "/v1/tenants/<tenant_id>/senders")
    def list_senders(tenant_id: UUID, asked: Annotated[Senders, Query()]) -> Listed[Sender]:
        """List in whose name a tenant's messages leave.

        Of a provider without one that is active, the stack's own.
        """
        tenants.read(v1, tenant_id)
        given = {**asked.filters, "tenant_id": tenant_id}
        with tenants.acting_for(v1, tenant_id):
            rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort, given=given)
        return Listed[Sender](items=[_shown(row) for row in rows], next=following)

    @v1.route("POST", "/v1/tenants/<tenant_id>/senders", status=HTTPStatus.CREATED)
    def create_sender(tenant_id: UUID, body: SenderBody) -> Response[Sender]:
        """Let a tenant's messages leave in a name of its own. For the operator's Admins."""
        _operated(v1, tenant_id)
        known = {name for names in v1.outside.capacity.providers.values() for name in names}
        if body.provider not in known:
            raise Unprocessable.of(
                "provider", f"is none that this stack sends by: {', '.join(sorted(known))}"
            )
        with tenants.acting_for(v1, tenant_id):
            values = {**body.model_dump(), "tenant_id": tenant_id, "now": v1.now}
            made = _read(v1, v1.connection.scalar(statement("create_sender"), values))
            v1.audit(
                "sender.created", f"sender:{made.sender_id}", sorted(body.model_fields_set), of=tenant_id
            )
        where = f"/v1/tenants/{tenant_id}/senders/{made.sender_id}"
        return Response(HTTPStatus.CREATED, JSON, made, {"Location": where})

    @v1.route("GET", "/v1/tenants/<tenant_id>/senders/<sender_id>")
    def get_sender(tenant_id: UUID, sender_id: UUID) -> Sender:
        """Read one of a tenant's senders."""
        tenants.read(v1, tenant_id)
        with tenants.acting_for(v1, tenant_id):
            return _read(v1, sender_id)

    @v1.route("PATCH", "/v1/tenants/<tenant_id>/senders/<sender_id>")
    def change_sender(tenant_id: UUID, sender_id: UUID, body: SenderPatch) -> Sender:
        """Retire a sender, take it back, or set its pace. For the operator's Admins."""
        _operated(v1, tenant_id)
        with tenants.acting_for(v1, tenant_id):
            current = _read(v1, sender_id)
            require_match(v1.if_match, current)
            wanted = patched(SenderBody, current, body)
            values = {**wanted.model_dump(), "sender_id": sender_id, "now": v1.now}
            v1.connection.execute(statement("change_sender"), values)
            changed = _read(v1, sender_id)
            v1.audit("sender.changed", f"sender:{sender_id}", differences(current, wanted), of=tenant_id)
        return changed

    @v1.route("DELETE", "/v1/tenants/<tenant_id>/senders/<sender_id>")
    def delete_sender(tenant_id: UUID, sender_id: UUID) -> Sender:
        """Delete a sender. For the operator's Admins.

        What it sent stays on record, under its address.
        """
        _operated(v1, tenant_id)
        with tenants.acting_for(v1, tenant_id):
            current = _read(v1, sender_id)
            require_match(v1.if_match, current)
            v1.connection.execute(delete(SENDER).where(SENDER.c.sender_id == sender_id))
            v1.audit("sender.deleted", f"sender:{sender_id}", of=tenant_id)
        return current


def _operated(v1: V1, tenant_id: UUID) -> None:
    """The tenant is there, its record is ours until the transaction ends, and the caller is the operator."""
    tenants.locked(v1, tenant_id)
    v1.require_operator()


def _read(v1: V1, sender_id: UUID | None) -> Sender:
    return _shown(v1.only(v1.connection.execute(LISTING.one(sender_id)), "sender"))


def _shown(row: Row[Any]) -> Sender:
    return Sender.model_validate(row._mapping, extra="ignore")  # noqa: SLF001  SQLAlchemy's way to a mapping
