"""docs/openapi.json and docs/api.md say what the routes say."""

import json
from pathlib import Path

from local.api_document import page
from nolapse.api.openapi import document
from nolapse.api.permissions import ANYBODY, ROUTES

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT, PAGE = DOCS / "openapi.json", DOCS / "api.md"


def test_what_is_checked_in_is_fresh() -> None:
    described = document()
    assert DOCUMENT.read_text(encoding="utf-8") == described, "run `make openapi`"
    assert PAGE.read_text(encoding="utf-8") == page(json.loads(described)), "run `make openapi`"


def test_every_route_of_the_matrix_is_described_with_its_errors_and_guards() -> None:
    described = json.loads(document())
    assert described["openapi"].startswith("3.1")
    for (method, route), roles in ROUTES.items():
        if roles is ANYBODY:
            continue
        operation = described["paths"][route.replace("<", "{").replace(">", "}")][method.lower()]
        assert operation["summary"], route
        assert operation["security"] == [{"oidc": []}]
        refusals = {status for status in operation["responses"] if int(status) >= 400}
        assert {"401", "403", "422", "429", "500", "503"} <= refusals
        for status in refusals:
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorBody"}
        headers = {each["name"] for each in operation["parameters"] if each["in"] == "header"}
        assert ("If-Match" in headers) == (method in {"PUT", "PATCH", "DELETE"})
