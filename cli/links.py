"""`nolapse links`: the links in messages, of which one person's or one tenant's can be killed."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from cli.operators import WhoOption, YesOption
from cli.policy import refusals
from cli.target import DatabaseOption, open_target
from nolapse.delivery.by_hand import revoke_links

app = typer.Typer(no_args_is_help=True, help="Links in messages.")


@app.callback()
def group() -> None:
    """Links in messages."""


@app.command("revoke")
def revoke(
    who: WhoOption,
    tenant: Annotated[str, typer.Option(help="Slug of the tenant.")],
    person: Annotated[
        str | None,
        typer.Option(help="What the tenant's own systems call this person; else all of its people."),
    ] = None,
    yes: YesOption = False,
    database: DatabaseOption = None,
) -> None:
    """Kill every link sent up to now, to one person or to all of a tenant: messages sent later bring new ones."""
    console = Console()
    if person is None and not yes and not typer.confirm(f"Revoke the links of everybody in {tenant}?"):
        raise typer.Abort
    with refusals(console), open_target(database).engine.begin() as connection:
        people = revoke_links(connection, tenant, person, who=who, now=datetime.now(UTC))
    console.print(f"[green]✓[/] links to {people:,} {'person' if people == 1 else 'people'} are dead")
