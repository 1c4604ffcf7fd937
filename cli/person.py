"""`nolapse person`: everything about one person handed out, and who they are forgotten."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import Connection, text

from cli.operators import WhoOption, YesOption
from cli.policy import refusals
from cli.target import DatabaseOption, open_target
from local.stack import planning_limits
from nolapse.oversight.person_export import export_person
from nolapse.planning.erasure import erase as erase_person
from nolapse.planning.plan import bounds
from nolapse.planning.timeline import find_person

app = typer.Typer(no_args_is_help=True, help="What is kept about one person.")
PersonArgument = Annotated[str, typer.Argument(help="Their id, or what the tenant's own systems call them.")]
TenantOption = Annotated[str | None, typer.Option(help="Slug, where several know somebody by that name.")]


@app.command("export")
def export(
    person: PersonArgument,
    out: Annotated[Path, typer.Option(help="The zip file to write.", dir_okay=False)],
    who: WhoOption,
    tenant: TenantOption = None,
    database: DatabaseOption = None,
) -> None:
    """Write everything about a person into a zip: JSON, and a CSV file a table."""
    console = Console()
    with refusals(console), open_target(database).engine.begin() as connection:
        subject = find_person(connection, person, tenant=tenant)
        _acting(connection, who)
        archive = export_person(connection, subject.clinician_id, now=datetime.now(UTC))
        out.write_bytes(archive or b"")
    console.print(f"[green]✓[/] {out}", soft_wrap=True)


@app.command("erase")
def erase(
    person: PersonArgument,
    who: WhoOption,
    tenant: TenantOption = None,
    yes: YesOption = False,
    database: DatabaseOption = None,
) -> None:
    """Forget who a person is, for good: what happened stays, under an id."""
    console = Console()
    with refusals(console), open_target(database).engine.begin() as connection:
        clinician_id = find_person(connection, person, tenant=tenant).clinician_id
        if not yes and not typer.confirm(f"Erase {person} ({clinician_id})? Nobody can undo it."):
            raise typer.Abort
        _acting(connection, who)
        done = erase_person(connection, clinician_id, bounds(datetime.now(UTC), **planning_limits()))
    cancelled = len(done.rescheduled.cancelled)
    console.print(
        f"[green]✓[/] {clinician_id} was erased at {done.at:%Y-%m-%d %H:%M} UTC; {cancelled} notifications cancelled",
        soft_wrap=True,
    )


def _acting(connection: Connection, who: str) -> None:
    connection.execute(text("SELECT set_config('app.actor', :who, true)"), {"who": who})
