"""The API's description (OpenAPI 3.1), made from its routes and models."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

import sqlalchemy
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from nolapse.api.app import Rules, create_app
from nolapse.api.identity import READ, WRITE, Verifier
from nolapse.api.pace import Pace
from nolapse.api.uploads import Uploads
from nolapse.domain.links import Links
from nolapse.domain.senders import Capacity
from nolapse.storage.meter import Meter

VERSION = "1"
ABOUT = """\
Reminders for licences and credentials. Every route needs an access token (OAuth 2.0, JWT) whose scope is `nolapse/read`
or `nolapse/write`, and shows the records of the token's tenant alone. Edits reschedule in the same transaction.
"""


def document() -> str:
    front = create_app(
        sqlalchemy.create_engine("postgresql+pg8000://"),
        Links(base="https://nolapse.example", keys=_nothing_runs, lasting=timedelta(0)),
        _nothing_runs,
        keys=_nothing_runs,
        rules=Rules(
            Verifier("", [], "https://nolapse.example"), Pace(1, 1), [], _nothing_runs, Capacity({}, {}, 1)
        ),
        portal_url="",
        uploads=Uploads(_nothing_runs, ""),
        count=_nothing_runs,
        log=_nothing_runs,
        meter=Meter(),
        depths=_nothing_runs,
    )
    front.resources.make_all()
    scheme = HTTPBearer(bearerFormat="JWT", description=f"Scopes: {READ}, {WRITE}")
    schema = front.app.get_openapi_schema(
        title="Nolapse", version=VERSION, description=ABOUT, security_schemes={"oidc": scheme}
    )
    described = json.loads(schema.model_dump_json(by_alias=True, exclude_none=True))
    schemas = described["components"]["schemas"]
    for operations in described["paths"].values():
        for method, operation in operations.items():
            if "security" in operation:
                _complete(method, operation, schemas)
    # Powertools' own errors, which front.py says in ErrorBody's words.
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    return json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _complete(method: str, operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """What front.py and v1.py see to, and what Powertools leaves out: of a query's model it only says the types."""
    operation["responses"]["500"] = {**operation["responses"]["401"], "description": "Our mistake"}
    parameters = operation.setdefault("parameters", [])
    name = operation["operationId"]
    if name.startswith("list_"):
        properties = schemas[name.removeprefix("list_").title().replace("_", "")]["properties"]
        for parameter in (each for each in parameters if each["in"] == "query"):
            parameter["schema"] = _not_null(properties[parameter["name"]])
    if method in {"put", "patch", "delete"}:
        parameters.append(_header("If-Match", "the ETag that was last read, or *", required=True))
    if method == "post":
        parameters.append(
            _header("Idempotency-Key", "for repeats: the same key, the same answer", required=False)
        )


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter is left out, not sent as null."""
    own = {name: value for name, value in schema.items() if name not in {"anyOf", "title", "description"}}
    if own.get("default", 0) is None:
        del own["default"]
    for alternative in schema.get("anyOf", []):
        if alternative.get("type") != "null":
            own.update(alternative)
    return own


def _header(name: str, description: str, *, required: bool) -> dict[str, Any]:
    return {
        "in": "header", "name": name, "description": description, "required": required,
        "schema": {"type": "string", "minLength": 1},
    }  # fmt: skip


def _nothing_runs(*_: object) -> NoReturn:
    raise AssertionError("a description needs no answers")
