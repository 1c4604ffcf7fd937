"""`nolapse migrate`: the database to the head of the migrations, and the zone table to the pinned tzdata."""

from typing import Annotated

import typer
from rich.console import Console

from cli.target import DatabaseOption, open_target
from local import migrations
from nolapse.storage.zones import load_zones


def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Bring the database to the head of the migrations."""
    console = Console()
    target = open_target(database, schema=False)
    with target.owner.begin() as connection:
        steps = migrations.pending(connection)
        if dry_run:
            typer.echo(migrations.preview(connection) if steps else "-- nothing to do")
            return
        if steps:
            console.print(f"[bold]{target.name}[/] lacks:", *steps, sep="\n  ")
            if not yes and not typer.confirm("Apply?"):
                raise typer.Abort
            migrations.upgrade(connection)
    with target.engine.begin() as connection:
        rows = load_zones(connection)
    console.print(f"[green]✓[/] {target.name} is at head" + (f", {rows} zone offsets loaded" if rows else ""))
