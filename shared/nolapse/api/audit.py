"""/v1/audit: who did what when, as the database itself wrote it down."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import TIMESTAMP, BigInteger, Text, Uuid, column, table

from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import Instant, Listed, Model
from nolapse.api.v1 import V1

ENTRY = table(
    "audit_log",
    column("seq", BigInteger),
    column("tenant_id", Uuid),
    column("at", TIMESTAMP(timezone=True)),
    *(column(name, Text) for name in ("actor", "action", "subject", "from_status", "to_status", "reason")),
)
LISTING = Listing(table=ENTRY, key=ENTRY.c.seq, sorts={"at": ENTRY.c.at})


class AuditEntries(Page):
    sort: Literal["at", "-at"] = Field(default="-at", description="a minus: the latest first")
    actor: str | None = Field(default=None, max_length=200, examples=["admin:ada"])
    action: str | None = Field(default=None, max_length=200, examples=["license.changed"])
    subject: str | None = Field(default=None, max_length=200, description="kind:id")
    at_from: Instant | None = Field(default=None, description="then or later")
    at_until: Instant | None = Field(default=None, description="before then")


class AuditEntry(Model):
    seq: int = Field(description="in the log of all tenants, hence with gaps")
    at: AwareDatetime
    actor: str
    action: str
    subject: str
    from_status: str | None
    to_status: str | None
    reason: str | None


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/audit")
    def list_audit_entries(asked: Annotated[AuditEntries, Query()]) -> Listed[AuditEntry]:
        """List what was done, by whom and when."""
        # The database shows no others anyway: for the index's sake.
        where = [ENTRY.c.tenant_id == v1.principal.tenant_id]
        where += [ENTRY.c.at >= asked.at_from] if asked.at_from else []
        where += [ENTRY.c.at < asked.at_until] if asked.at_until else []
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort, where=where)
        entries = [AuditEntry.model_validate(row._mapping, extra="ignore") for row in rows]  # noqa: SLF001
        return Listed[AuditEntry](items=entries, next=following)
