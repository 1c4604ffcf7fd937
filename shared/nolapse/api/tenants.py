"""/v1/tenants: its own to each tenant's Admins, all to those of the operator; and where its own system is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AfterValidator, AwareDatetime, Field
from sqlalchemy import TIMESTAMP, Boolean, Integer, Row, Text, Uuid, column, table, text

from nolapse.api import schemas
from nolapse.api.errors import NotFound
from nolapse.api.etags import require_match
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import ABSENT, Body, Email, Listed, Model, Zone, differences, patched
from nolapse.api.v1 import JSON, V1
from nolapse.domain.endpoints import FORM, is_endpoint
from nolapse.storage.statements import statement

TENANT = table(
    "visible_tenants",
    column("tenant_id", Uuid),
    *(column(name, Text) for name in ("slug", "name", "timezone", "contact_email")),
    column("is_operator", Boolean),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("created_at", "updated_at")),
    column("messages_per_minute", Integer),
)
LISTING = Listing(table=TENANT, key=TENANT.c.tenant_id, sorts={"slug": TENANT.c.slug})
ACT_FOR = text("SELECT set_config('app.tenant_id', :tenant_id, true)")
WEBHOOK = text("SELECT url, disabled_at, updated_at FROM tenant_webhooks WHERE tenant_id = :tenant_id")
LOCK = text("SELECT pg_advisory_xact_lock(hashtext('tenant ' || :tenant_id))")


# More than any sender's pace, and less than what the database counts to.
PerMinute = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


def _endpoint(url: str) -> str:
    if not is_endpoint(url):
        raise ValueError(f"is no address like {FORM}")
    return url


class TenantPatch(Body):
    """JSON Merge Patch (RFC 7396): what is left out stays."""

    name: schemas.Text = ABSENT
    timezone: Zone = ABSENT
    contact_email: Email = ABSENT
    messages_per_minute: PerMinute | None = ABSENT


class TenantChange(Body):
    name: schemas.Text
    timezone: Zone
    contact_email: Email = Field(description="told in place of a person who has no e-mail address")
    messages_per_minute: PerMinute | None = Field(
        default=None,
        description="by all channels together, for the operator to set; null: as for every tenant",
    )


class TenantBody(TenantChange):
    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["riverside-clinic"])


class Tenants(Page):
    sort: Literal["slug", "-slug"] = Field(default="slug", description="a minus sorts downwards")
    slug: str | None = Field(default=None, max_length=63)


class Tenant(Model):
    tenant_id: UUID
    slug: str
    name: str
    timezone: str
    contact_email: str
    messages_per_minute: int | None
    is_operator: bool = Field(description="who runs the platform")
    created_at: AwareDatetime
    updated_at: AwareDatetime


class WebhookBody(Body):
    url: Annotated[
        str, Field(max_length=2000, examples=["https://clinic.example/nolapse"]), AfterValidator(_endpoint)
    ] = Field(description="told by signed requests; the secret is the operator's to hand over")


class Webhook(Model):
    url: str | None = Field(description="null: there is none")
    disabled_at: AwareDatetime | None = Field(description="since it answered that it wants no more (410)")
    updated_at: AwareDatetime | None


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/tenants")
    def list_tenants(asked: Annotated[Tenants, Query()]) -> Listed[Tenant]:
        """List tenants: yours, or all to the operator."""
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort)
        return Listed[Tenant](items=[_shown(row) for row in rows], next=following)

    @v1.route("POST", "/v1/tenants", status=HTTPStatus.CREATED)
    def create_tenant(body: TenantBody) -> Response[Tenant]:
        """Add a tenant. For the operator's Admins."""
        v1.require_operator()
        tenant_id = uuid4()
        with acting_for(v1, tenant_id):
            v1.connection.execute(
                statement("add_tenant"), {**body.model_dump(), "tenant_id": tenant_id, "now": v1.now}
            )
            made = read(v1, tenant_id)
            v1.audit("tenant.created", f"tenant:{tenant_id}", sorted(body.model_fields_set), of=tenant_id)
        return Response(HTTPStatus.CREATED, JSON, made, {"Location": f"/v1/tenants/{tenant_id}"})

    @v1.route("GET", "/v1/tenants/<tenant_id>")
    def get_tenant(tenant_id: UUID) -> Tenant:
        """Read a tenant."""
        return read(v1, tenant_id)

    @v1.route("PATCH", "/v1/tenants/<tenant_id>")
    def change_tenant(tenant_id: UUID, body: TenantPatch) -> Tenant:
        """Change some of a tenant.

        Whom a new time zone or address concerns is replanned by the nightly reconciliation.
        """
        current = locked(v1, tenant_id)
        require_match(v1.if_match, current)
        wanted = patched(TenantChange, current, body)
        if wanted.messages_per_minute != current.messages_per_minute:
            v1.require_operator()
        with acting_for(v1, tenant_id):
            values = {**wanted.model_dump(), "tenant_id": tenant_id, "now": v1.now}
            v1.connection.execute(statement("change_tenant"), values)
            changed = read(v1, tenant_id)
            v1.audit("tenant.changed", f"tenant:{tenant_id}", differences(current, wanted), of=tenant_id)
        return changed

    _add_webhook(v1)


def _add_webhook(v1: V1) -> None:
    @v1.route("GET", "/v1/tenants/<tenant_id>/webhook")
    def get_webhook(tenant_id: UUID) -> Webhook:
        """Read where a tenant's own system is told."""
        read(v1, tenant_id)
        with acting_for(v1, tenant_id):
            return _webhook(v1, tenant_id)

    @v1.route("PUT", "/v1/tenants/<tenant_id>/webhook")
    def replace_webhook(tenant_id: UUID, body: WebhookBody) -> Webhook:
        """Name where a tenant's own system is told; enables it again."""
        slug = locked(v1, tenant_id).slug
        with acting_for(v1, tenant_id):
            require_match(v1.if_match, _webhook(v1, tenant_id))
            v1.connection.execute(statement("set_webhook"), {"tenant": slug, "url": body.url, "now": v1.now})
            named = _webhook(v1, tenant_id)
            v1.audit("webhook.set", f"tenant:{tenant_id}", of=tenant_id)
        return named

    @v1.route("DELETE", "/v1/tenants/<tenant_id>/webhook")
    def delete_webhook(tenant_id: UUID) -> Webhook:
        """Tell a tenant's own system nothing any more."""
        slug = locked(v1, tenant_id).slug
        with acting_for(v1, tenant_id):
            require_match(v1.if_match, _webhook(v1, tenant_id))
            if v1.connection.scalar(statement("remove_webhook"), {"tenant": slug}) is None:
                raise NotFound("webhook")
            v1.audit("webhook.removed", f"tenant:{tenant_id}", of=tenant_id)
            return _webhook(v1, tenant_id)


def read(v1: V1, tenant_id: UUID) -> Tenant:
    return _shown(v1.only(v1.connection.execute(LISTING.one(tenant_id)), "tenant"))


def locked(v1: V1, tenant_id: UUID) -> Tenant:
    """As it stands: who changes it or its webhook at the same time waits for this transaction."""
    v1.connection.execute(LOCK, {"tenant_id": str(tenant_id)})
    return read(v1, tenant_id)


@contextmanager
def acting_for(v1: V1, tenant_id: UUID) -> Iterator[None]:
    """Row-level security lets a transaction change one tenant; which the caller may see was asked before."""
    v1.connection.execute(ACT_FOR, {"tenant_id": str(tenant_id)})
    yield
    v1.connection.execute(ACT_FOR, {"tenant_id": str(v1.principal.tenant_id)})


def _webhook(v1: V1, tenant_id: UUID) -> Webhook:
    row = v1.connection.execute(WEBHOOK, {"tenant_id": tenant_id}).one_or_none()
    if row is None:
        return Webhook(url=None, disabled_at=None, updated_at=None)
    return Webhook.model_validate(row._mapping)  # noqa: SLF001  SQLAlchemy's way to a mapping


def _shown(row: Row[Any]) -> Tenant:
    return Tenant.model_validate(row._mapping, extra="ignore")  # noqa: SLF001  the same
