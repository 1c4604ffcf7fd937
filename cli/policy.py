"""`nolapse policy`: what is in Git into the database, what a draft would change, into force, and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cli.policy_files import read_folder
from cli.policy_report import changes_table, diff_report, entries_table, loaded_table, planned_table
from cli.target import DatabaseOption, open_target
from local.home import home
from local.policy_page import write_page
from local.stack import ROOT, planning_limits
from nolapse.domain.errors import NolapseError
from nolapse.planning.plan import Bounds, bounds
from nolapse.planning.policies.activate import activate, roll_back
from nolapse.planning.policies.catalog import entries, find_draft, find_policy
from nolapse.planning.policies.diff import diff
from nolapse.planning.policies.load import load
from nolapse.planning.policies.reading import read_policies
from nolapse.storage.engine import transaction

app = typer.Typer(
    no_args_is_help=True, help="Policies: who is told when, by versions in Git and in the database."
)

NameArgument = Annotated[str, typer.Argument(help="The policy's name, as in its file.")]
TenantOption = Annotated[
    str | None, typer.Option(help="Slug of the tenant whose policy it is, where more than one has the name.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
PerWeekOption = Annotated[int, typer.Option(min=1, help="How many messages in seven days are no crowd yet.")]


@contextmanager
def refusals(console: Console) -> Iterator[None]:
    """What Nolapse refuses is said in its own words, without a traceback."""
    try:
        yield
    except NolapseError as refused:
        for line in str(refused).splitlines():
            console.print(f"[red]✗[/] {escape(line)}", soft_wrap=True)
        raise typer.Exit(1) from None


@app.command("list")
def list_policies(database: DatabaseOption = None) -> None:
    """Show what is in force and what waits to be."""
    console = Console()
    with open_target(database).engine.connect() as connection:
        console.print(entries_table(entries(connection)))


@app.command("load")
def load_folder(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where the *.yaml are.", exists=True, file_okay=False)
    ] = ROOT / "policies",
    check: Annotated[bool, typer.Option("--check", help="Only validate; no database is needed.")] = False,
    activate_all: Annotated[
        bool, typer.Option("--activate", help="Activate every draft that this leaves, in one transaction.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Make a draft of every policy that differs from what is in force."""
    console = Console()
    with refusals(console):
        documents = read_policies(read_folder(folder))
        if check:
            console.print(f"[green]✓[/] {len(documents)} policies are valid")
            return
        now = datetime.now(UTC)
        with transaction(open_target(database).engine, "cli") as connection:
            loaded = load(connection, documents, now=now)
            console.print(loaded_table(loaded))
            drafts = [one.draft for one in loaded if one.draft]
            if activate_all and drafts:
                console.print(planned_table("Activated", activate(connection, drafts, _bounds(now))))


@app.command("diff")
def diff_policy(
    name: NameArgument,
    tenant: TenantOption = None,
    per_week: PerWeekOption = 3,
    page: Annotated[Path | None, typer.Option(help="Where the page goes.", dir_okay=False)] = None,
    database: DatabaseOption = None,
) -> None:
    """Compute the whole schedule under the draft, and say who would be told more, less or at another time."""
    console = Console()
    with refusals(console):
        with transaction(open_target(database).engine, "cli") as connection:
            draft = find_draft(connection, find_policy(connection, name, tenant))
            found = diff(connection, draft, _bounds(datetime.now(UTC)), per_week=per_week)
        console.print(*diff_report(name, found), sep="\n")
        page = page or home() / f"policy-{name}.html"
        write_page(page, name, found)
        console.print(f"[dim]page:[/] {page}", soft_wrap=True)


@app.command("activate")
def activate_policy(
    name: NameArgument,
    tenant: TenantOption = None,
    per_week: PerWeekOption = 3,
    yes: YesOption = False,
    database: DatabaseOption = None,
) -> None:
    """Put the draft into force and replan what it touches, in one transaction."""
    console = Console()
    engine = open_target(database).engine
    with refusals(console):
        limits = _bounds(datetime.now(UTC))
        with transaction(engine, "cli") as connection:
            draft = find_draft(connection, find_policy(connection, name, tenant))
            found = diff(connection, draft, limits, per_week=per_week)
        console.print(changes_table(name, found))
        if not yes and not typer.confirm(f"Activate version {draft.version} of {name}?"):
            raise typer.Abort
        # The very draft that was shown: refused where another one was loaded meanwhile.
        with transaction(engine, "cli") as connection:
            report = activate(connection, [draft], limits)
        console.print(planned_table(f"{name} is now version {draft.version}", report))


@app.command("rollback")
def roll_back_policy(
    name: NameArgument, tenant: TenantOption = None, yes: YesOption = False, database: DatabaseOption = None
) -> None:
    """Return to the version before, or to the more general policy where there was none."""
    console = Console()
    with refusals(console):
        if not yes and not typer.confirm(f"Take {name} back?"):
            raise typer.Abort
        with transaction(open_target(database).engine, "cli") as connection:
            policy_id = find_policy(connection, name, tenant)
            report = roll_back(connection, policy_id, _bounds(datetime.now(UTC)))
        console.print(planned_table(f"{name} is back", report))


def _bounds(now: datetime) -> Bounds:
    return bounds(now, **planning_limits())
