"""`nolapse openapi`: the API's description and its page, made from its routes."""

import json

import typer

from local.api_document import page
from local.stack import ROOT
from nolapse.api.openapi import document


def openapi() -> None:
    """Write docs/openapi.json and docs/api.md."""
    described = document()
    for name, text in (("openapi.json", described), ("api.md", page(json.loads(described)))):
        (ROOT / "docs" / name).write_text(text, encoding="utf-8")
        typer.echo(f"docs/{name} is written")
