"""The API's description (OpenAPI 3.1), made from its routes and models."""

import json
from datetime import timedelta
from typing import NoReturn

import sqlalchemy
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from nolapse.api.app import Rules, create_app
from nolapse.api.identity import READ, WRITE, Verifier
from nolapse.api.pace import Pace
from nolapse.domain.links import Links

VERSION = "1"
ABOUT = """\
Reminders for licences and credentials. Every route needs an access token (OAuth 2.0, JWT) whose scope is `nolapse/read`
or `nolapse/write`, and shows the records of the token's tenant alone. Edits reschedule in the same transaction.
"""


def document() -> str:
    app = create_app(
        sqlalchemy.create_engine("postgresql+pg8000://"),
        _nothing_runs,
        Links(base="https://nolapse.example", keys=_nothing_runs, lasting=timedelta(0)),
        _nothing_runs,
        Rules(Verifier("", [], "https://nolapse.example"), Pace(1, 1), [], _nothing_runs),
        portal_url="",
        count=_nothing_runs,
        log=_nothing_runs,
    ).app
    scheme = HTTPBearer(bearerFormat="JWT", description=f"Scopes: {READ}, {WRITE}")
    schema = app.get_openapi_schema(
        title="Nolapse", version=VERSION, description=ABOUT, security_schemes={"oidc": scheme}
    )
    described = json.loads(schema.model_dump_json(by_alias=True, exclude_none=True))
    return json.dumps(described, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _nothing_runs(*_: object) -> NoReturn:
    raise AssertionError("a description needs no answers")
