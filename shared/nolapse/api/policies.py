"""/v1/policies: when who is told by which message; the platform's to read, one's own to draft, compare and decide."""

from datetime import time
from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AwareDatetime, Field, ValidationError
from sqlalchemy import TIMESTAMP, Integer, Row, Text, Time, Uuid, column, table, text, types

from nolapse.api import schemas
from nolapse.api.errors import Conflict, Forbidden, Unprocessable
from nolapse.api.etags import require_match
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import Body, Listed, Model
from nolapse.api.v1 import JSON, V1
from nolapse.planning.policies.document import PolicyDocument
from nolapse.planning.policies.load import load
from nolapse.planning.policies.versions import lock
from nolapse.storage.statements import statement

POLICY = table(
    "renewal_policies",
    *(column(name, Text) for name in ("name", "occasion", "license_type", "state")),
    *(column(name, Uuid) for name in ("policy_id", "tenant_id")),
)
LISTING = Listing(table=POLICY, key=POLICY.c.policy_id, sorts={"name": POLICY.c.name})
VERSION = table(
    "policy_version",
    column("policy_id", Uuid),
    *(column(name, Integer) for name in ("version", "grace_days", "buffer_days", "former_version")),
    *(column(name, Text) for name in ("status", "leap_day", "business_days", "holidays")),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("created_at", "activated_at")),
    *(column(name, Time) for name in ("opens", "closes")),
    column("steps", types.JSON),
)
VERSIONS = Listing(table=VERSION, key=VERSION.c.version, sorts={"version": VERSION.c.version})
SLUG = text("SELECT slug FROM tenants WHERE tenant_id = :tenant_id")
TAKEN = "another policy of yours is for the same dates: replace that one"


class StepBody(Body):
    event: str = Field(max_length=100, examples=["PRIMARY"])
    days: int = Field(default=0, description="before (-) or after the date")
    template: str = Field(max_length=100, examples=["primary"])
    channels: list[str] = Field(default=["EMAIL"], max_length=4)
    recipients: list[str] = Field(default=["HOLDER"], max_length=3)
    perishable: bool = Field(default=False, description="of no use after its window")
    unless: str | None = Field(default=None, max_length=100, description="not told where that happened")


class WindowBody(Body):
    opens: str = Field(max_length=5, examples=["08:00"], description="local time of the recipient")
    closes: str = Field(max_length=5, examples=["12:00"])


class PolicyBody(Body):
    """As in policies/*.yaml, without a tenant: it is yours (docs/policies.md)."""

    name: str = Field(max_length=63, examples=["ours"])
    occasion: str = Field(max_length=100, examples=["LICENSE_EXPIRY"])
    license_type: schemas.Text | None = Field(default=None, description="null: any")
    state: str | None = Field(default=None, max_length=2, description="null: any")
    window: WindowBody | None = Field(default=None, description="not for DOSE, whose medication says when")
    leap_day: str | None = Field(default=None, max_length=10, examples=["FEB_28"])
    grace_days: int | None = None
    buffer_days: int | None = None
    business_days: str | None = Field(default=None, max_length=10, examples=["ANY"])
    holidays: str | None = Field(default=None, max_length=20, examples=["US-NY"])
    steps: list[StepBody] = Field(min_length=1, max_length=100)


class Step(Model):
    event: str
    days: int
    template: str
    channels: list[str]
    recipients: list[str]
    perishable: bool = False
    unless: str | None = None


class PolicyVersion(Model):
    version: int
    status: Literal["DRAFT", "ACTIVE", "RETIRED"]
    opens: time
    closes: time
    leap_day: str
    grace_days: int
    buffer_days: int
    business_days: str
    holidays: str | None
    steps: list[Step]
    former_version: int | None = Field(description="what it took over from, and a rollback returns to")
    created_at: AwareDatetime
    activated_at: AwareDatetime | None


class PolicySummary(Model):
    policy_id: UUID
    name: str
    is_platforms: bool = Field(description="for every tenant; yours go before it")
    occasion: str
    license_type: str | None
    state: str | None


class Policy(PolicySummary):
    active: PolicyVersion | None = Field(description="in force; null: none, a more general policy decides")
    draft: PolicyVersion | None = Field(description="waits to be activated")


class Policies(Page):
    sort: Literal["name", "-name"] = Field(default="name", description="a minus sorts downwards")
    name: str | None = Field(default=None, max_length=63)
    occasion: str | None = Field(default=None, max_length=100, examples=["LICENSE_EXPIRY"])
    license_type: str | None = Field(default=None, max_length=200)
    state: schemas.State | None = None


class PolicyVersions(Page):
    sort: Literal["version", "-version"] = Field(default="-version", description="a minus: the latest first")
    status: Literal["DRAFT", "ACTIVE", "RETIRED"] | None = None


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/policies")
    def list_policies(asked: Annotated[Policies, Query()]) -> Listed[PolicySummary]:
        """List policies: yours and the platform's."""
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort)
        return Listed[PolicySummary](
            items=[PolicySummary.model_validate(_facts(row)) for row in rows], next=following
        )

    @v1.route("POST", "/v1/policies", status=HTTPStatus.CREATED)
    def create_policy(body: PolicyBody) -> Response[Policy]:
        """Draft a policy.

        Nothing changes for anybody until the draft is activated.
        """
        made = _draft(v1, body)
        return Response(HTTPStatus.CREATED, JSON, made, {"Location": f"/v1/policies/{made.policy_id}"})

    @v1.route("GET", "/v1/policies/<policy_id>")
    def get_policy(policy_id: UUID) -> Policy:
        """Read a policy, with its version in force and its draft."""
        return read(v1, policy_id)

    @v1.route("PUT", "/v1/policies/<policy_id>")
    def replace_policy(policy_id: UUID, body: PolicyBody) -> Policy:
        """Draft another version of a policy.

        It replaces a draft that waits; one that says what is in force withdraws it.
        """
        return _redraft(v1, policy_id, body)

    @v1.route("GET", "/v1/policies/<policy_id>/versions")
    def list_policy_versions(
        policy_id: UUID, asked: Annotated[PolicyVersions, Query()]
    ) -> Listed[PolicyVersion]:
        """List what a policy said and says."""
        _policy(v1, policy_id)
        given = {**asked.filters, "policy_id": policy_id}
        rows, following = VERSIONS.page(v1.connection, v1.keys, v1.now, asked, asked.sort, given=given)
        return Listed[PolicyVersion](items=[_version(row) for row in rows], next=following)

    @v1.route("GET", "/v1/policies/<policy_id>/versions/<version>")
    def get_policy_version(
        policy_id: UUID, version: Annotated[int, Path(ge=1, le=1_000_000)]
    ) -> PolicyVersion:
        """Read one version of a policy."""
        _policy(v1, policy_id)
        query = VERSIONS.one(version).where(VERSION.c.policy_id == policy_id)
        return _version(v1.only(v1.connection.execute(query), "version"))


def _draft(v1: V1, body: PolicyBody) -> Policy:
    """Raises Conflict where a policy for these dates stands."""
    document = _document(v1, body)
    lock(v1.connection)
    sought = {**_for_what(document), "tenant_id": v1.principal.tenant_id}
    if v1.connection.scalar(statement("find_own_policy"), sought):
        raise Conflict("occasion", TAKEN)
    (loaded,) = load(v1.connection, [document], now=v1.now)
    return read(v1, loaded.draft.policy_id if loaded.draft else None)


def _redraft(v1: V1, policy_id: UUID, body: PolicyBody) -> Policy:
    current = own(v1, policy_id)
    require_match(v1.if_match, current)
    document = _document(v1, body)
    for field, value in _for_what(document).items():
        if getattr(current, field) != value:
            raise Unprocessable.of(field, "is what the policy is for, and stays: draft another policy")
    load(v1.connection, [document], now=v1.now)
    return read(v1, policy_id)


def _policy(v1: V1, policy_id: UUID | None) -> Row[Any]:
    return v1.only(v1.connection.execute(LISTING.one(policy_id)), "policy")


def read(v1: V1, policy_id: UUID | None) -> Policy:
    facts = _facts(_policy(v1, policy_id))
    query = VERSIONS.table.select().where(VERSION.c.policy_id == policy_id, VERSION.c.status != "RETIRED")
    by_status = {row.status: _version(row) for row in v1.connection.execute(query)}
    return Policy(**facts, active=by_status.get("ACTIVE"), draft=by_status.get("DRAFT"))


def own(v1: V1, policy_id: UUID) -> Policy:
    """As it stands, and stays until this transaction ends. Raises NotFound, and Forbidden for the platform's."""
    lock(v1.connection)
    current = read(v1, policy_id)
    if current.is_platforms:
        raise Forbidden("PLATFORM", "the platform's policies can be read: draft your own for the same dates")
    return current


def _document(v1: V1, body: PolicyBody) -> PolicyDocument:
    """Raises Unprocessable with what the files' own schema says."""
    slug = v1.connection.scalar(SLUG, {"tenant_id": v1.principal.tenant_id})
    try:
        return PolicyDocument.model_validate({**body.model_dump(exclude_none=True), "tenant": slug})
    except ValidationError as error:
        raise Unprocessable.said_by(error.errors()) from None


def _for_what(document: PolicyDocument) -> dict[str, Any]:
    return document.model_dump(include={"occasion", "license_type", "state"})


def _facts(row: Row[Any]) -> dict[str, Any]:
    named = row._mapping  # noqa: SLF001  SQLAlchemy's way to a mapping
    return {
        **{name: named[name] for name in ("policy_id", "name", "occasion", "license_type", "state")},
        "is_platforms": row.tenant_id is None,
    }


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion.model_validate(row._mapping, extra="ignore")  # noqa: SLF001  the same
