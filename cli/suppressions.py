"""`nolapse suppressions`: addresses that are sent nothing, and let go."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console

from cli.operators import WhoOption, show
from cli.policy import refusals
from cli.target import DatabaseOption, open_target
from nolapse.delivery.suppressions import lift as lift_suppression
from nolapse.delivery.suppressions import list_suppressions
from nolapse.runtime.reports import suppressions_table

app = typer.Typer(no_args_is_help=True, help="Addresses that are sent nothing.")


@app.command("list")
def list_all(
    tenant: Annotated[str | None, typer.Option(help="Slug; else all tenants.")] = None,
    address: Annotated[
        str | None, typer.Option(help="An e-mail address or a number as +15551234567.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Show what is in force: why, since when, and which address by its digest."""
    now = datetime.now(UTC)
    with open_target(database).engine.connect() as connection:
        found = list_suppressions(connection, tenant=tenant, address=address)
        show(Console(), [suppressions_table(found, now)])


@app.command("lift")
def lift(
    suppression: Annotated[UUID, typer.Argument(help="As `suppressions list` shows it.")],
    who: WhoOption,
    database: DatabaseOption = None,
) -> None:
    """Let messages go to that address again."""
    console = Console()
    with refusals(console), open_target(database).engine.begin() as connection:
        lift_suppression(connection, suppression, who=who, now=datetime.now(UTC))
    console.print(f"[green]✓[/] {suppression} is lifted", soft_wrap=True)
