"""/v1/imports: registers taken in by a link to upload them to, and what became of each."""

from http import HTTPStatus
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import TIMESTAMP, Row, Text, Uuid, column, table, types

from nolapse.api import schemas
from nolapse.api.errors import Conflict, NotFound
from nolapse.api.listing import Listing, Page
from nolapse.api.schemas import Body, Listed, Model
from nolapse.api.uploads import LASTING
from nolapse.api.v1 import JSON, V1
from nolapse.planning.importing.uploads import KEPT, Upload
from nolapse.storage.statements import statement

Status = Literal["WAITING", "RUNNING", "DONE", "FAILED"]
IMPORT = table(
    "imports",
    *(column(name, Uuid) for name in ("import_id", "tenant_id")),
    *(column(name, Text) for name in ("source_name", "status", "date_order", "failure")),
    *(column(name, types.JSON) for name in ("mapping", "counts")),
    *(column(name, TIMESTAMP(timezone=True)) for name in ("started_at", "finished_at")),
)
LISTING = Listing(table=IMPORT, key=IMPORT.c.import_id, sorts={"started_at": IMPORT.c.started_at})


class ImportBody(Body):
    # Neither a path nor dots alone, which a client takes for one.
    file_name: Annotated[
        schemas.Text, Field(pattern=r"^[^/\\]*[^./\\][^/\\]*$", examples=["register.csv"])
    ] = Field(description="of a CSV, TSV or JSON file, plain or gzip; its rows are all yours")


class Imports(Page):
    sort: Literal["started_at", "-started_at"] = Field(
        default="-started_at", description="a minus: the latest first"
    )
    status: Status | None = None


class Import(Model):
    import_id: UUID
    file_name: str
    status: Status = Field(description="WAITING: for its register to be uploaded")
    mapping: dict[str, Any] = Field(description="field: columns, or =text for one text in every row")
    date_order: str | None
    counts: dict[str, Any] = Field(
        description="while it runs how far it is: stage, rows, total; then what it did; "
        "uploaded: by the link that you got here"
    )
    failure: str | None = Field(description="the kind of error; its rejects file says more")
    started_at: AwareDatetime
    finished_at: AwareDatetime | None


class Link(Model):
    method: Literal["GET", "PUT"]
    url: str
    expires_at: AwareDatetime


class Awaited(Import):
    upload: Link = Field(description="where to send the file, as the body of one request without a token")


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/imports")
    def list_imports(asked: Annotated[Imports, Query()]) -> Listed[Import]:
        """List imports of registers."""
        rows, following = LISTING.page(v1.connection, v1.keys, v1.now, asked, asked.sort)
        return Listed[Import](items=[_shown(row) for row in rows], next=following)

    @v1.route("POST", "/v1/imports", status=HTTPStatus.CREATED)
    def create_import(body: ImportBody) -> Response[Awaited]:
        """Ask for a link to upload a register to.

        The import begins by itself when the file is there.
        """
        import_id = uuid4()
        own = {"import_id": import_id, "tenant_id": v1.principal.tenant_id}
        v1.connection.execute(
            statement("import_await"), {**own, "source_name": body.file_name, "now": v1.now}
        )
        made = _shown(_find(v1, import_id))
        v1.audit("import.awaited", f"import:{import_id}")
        upload = _link(v1, "PUT", Upload.of(v1.principal.tenant_id, import_id, body.file_name).incoming)
        awaited = Awaited(**dict(made), upload=upload)
        return Response(HTTPStatus.CREATED, JSON, awaited, {"Location": f"/v1/imports/{import_id}"})

    @v1.route("GET", "/v1/imports/<import_id>")
    def get_import(import_id: UUID) -> Import:
        """Read how far an import is, or what it did."""
        return _shown(_find(v1, import_id))

    @v1.route("GET", "/v1/imports/<import_id>/rejects", audited=True, refusals=[HTTPStatus.CONFLICT])
    def get_rejects(import_id: UUID) -> Link:
        """Get a link to what became of every row that was not imported as it stands.

        Of an import that failed: to why. Kept for 90 days, of registers that were uploaded by a link; each time it is
        asked for is audited.
        """
        row = _find(v1, import_id)
        if row.status not in {"DONE", "FAILED"}:
            raise Conflict("import_id", f"is {row.status}: there are rejects when it is done")
        if not row.counts.get("uploaded") or v1.now >= row.finished_at + KEPT:
            raise NotFound(
                "rejects file: it lies beside a register imported by hand, and is gone after 90 days"
            )
        upload = Upload.of(v1.principal.tenant_id, import_id, row.source_name)
        v1.audit("import.rejects_read", f"import:{import_id}")
        return _link(v1, "GET", upload.rejects if row.status == "DONE" else upload.refusal)


def _find(v1: V1, import_id: UUID) -> Row[Any]:
    return v1.only(v1.connection.execute(LISTING.one(import_id)), "import")


def _link(v1: V1, method: Literal["GET", "PUT"], key: str) -> Link:
    url = v1.outside.uploads.link("put_object" if method == "PUT" else "get_object", key)
    return Link(method=method, url=url, expires_at=v1.now + LASTING)


def _shown(row: Row[Any]) -> Import:
    return Import.model_validate({**row._mapping, "file_name": row.source_name})  # noqa: SLF001  SQLAlchemy's way to a mapping
