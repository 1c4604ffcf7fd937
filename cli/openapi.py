"""`nolapse openapi`: the API's description, made from its routes."""

from pathlib import Path
from typing import Annotated

import typer

from local.stack import ROOT
from nolapse.api.openapi import document


def openapi(
    output: Annotated[Path, typer.Option(help="Where to.")] = ROOT / "docs" / "openapi.json",
) -> None:
    """Write docs/openapi.json."""
    output.write_text(document(), encoding="utf-8")
    typer.echo(f"{output} is written")
