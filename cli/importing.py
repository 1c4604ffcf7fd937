"""`nolapse import`: a register into the base and onto the schedule."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from cli.target import DatabaseOption, open_target
from local.stack import planning_limits
from nolapse.domain.dates import DateOrder
from nolapse.domain.errors import NolapseError
from nolapse.domain.zones import pinned_zone
from nolapse.planning.importing import progress as importing
from nolapse.planning.importing.report import ImportReport
from nolapse.planning.importing.survey import Survey, survey
from nolapse.runtime.imports import import_register
from nolapse.storage.statements import statement


def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV, TSV, JSON or NDJSON, plain or gzip.", exists=True, dir_okay=False)
    ],
    tenant: Annotated[
        str | None, typer.Option(help="Slug of the tenant of every row; else a column must name it.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Make the tenant, in this IANA zone.")] = None,
    contact: Annotated[str | None, typer.Option(help="Make the tenant, with this e-mail address.")] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Say what a column holds.")
    ] = None,
    dates: Annotated[DateOrder | None, typer.Option(help="How ambiguous dates are written.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Where rejected rows go; FILE.rejects.csv.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask whether the mapping is right.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Import a register of licences and plan every reminder it calls for."""
    console = Console()
    try:
        with progress_bar(console) as on_progress:
            surveyed = survey(
                file, given=parse_mapping(columns or []), date_order=dates, on_progress=on_progress
            )
        console.print(mapping_table(surveyed))
        if not yes and not typer.confirm("Import it so?"):
            raise typer.Abort
        engine = open_target(database).engine
        if tenant and timezone and contact:
            _create_tenant(engine, tenant, timezone, contact)
        with progress_bar(console) as on_progress:
            report = import_register(
                engine,
                surveyed,
                tenant=tenant,
                rejects=rejects or file.with_name(f"{file.name}.rejects.csv"),
                actor="cli",
                now=datetime.now(UTC),
                **planning_limits(),
                on_progress=on_progress,
            )
    except NolapseError as refused:
        console.print(f"[red]✗[/] {escape(str(refused))}")
        raise typer.Exit(1) from None
    console.print(report_table(report))
    console.print(f"rejected rows and warnings: {escape(str(report.rejects))}")


def parse_mapping(pairs: list[str]) -> dict[str, str]:
    """`field=COLUMN`, or `field==TEXT` for a text that holds in every row."""
    split = [pair.partition("=") for pair in pairs]
    for field, equals, column in split:
        if not (field and equals and column):
            raise typer.BadParameter(f"{field}{equals}{column} is no FIELD=COLUMN", param_hint="--map")
    return {field: column for field, _, column in split}


def mapping_table(surveyed: Survey) -> Table:
    order = f", dates {surveyed.date_order}" if surveyed.date_order else ""
    title = f"{escape(surveyed.source.path.name)}: {surveyed.rows:,} rows{order}"
    table = Table(title=title, title_justify="left")
    for heading in ("Field", "Taken from", "Note"):
        table.add_column(heading)
    for choice in surveyed.mapping.choices.values():
        source = " or ".join(choice.columns) or f"“{choice.literal}” in every row"
        table.add_row(choice.field, Text(source), Text(choice.note or ("guessed" if choice.guessed else "")))
    if surveyed.mapping.unused:
        table.add_row("[dim]not used[/]", Text(", ".join(surveyed.mapping.unused), "dim"), "")
    return table


def report_table(report: ImportReport) -> Table:
    table = Table(title="Import", title_justify="left")
    table.add_column("")
    table.add_column("rows", justify="right")
    table.add_column("of which")
    licenses = report.licenses
    table.add_row("read", f"{report.rows.read:,}", "")
    table.add_row(
        "imported", f"{report.imported:,}",
        f"{licenses.new:,} new, {licenses.changed:,} changed, {licenses.unchanged:,} as before",
    )  # fmt: skip
    table.add_row("folded into a later row", f"{report.folded:,}", "")
    table.add_row("[red]rejected[/]" if report.rows.rejected else "rejected", f"{report.rows.rejected:,}", "")
    for reason, count in report.rows.reject_reasons.most_common(8):
        table.add_row("", f"{count:,}", Text(f"{reason.field} {reason.text}".strip()))
    for reason, count in report.rows.warnings.most_common(8):
        table.add_row("warned", f"{count:,}", Text(f"{reason.field} {reason.text}"))
    for said, count in report.rows.undated.most_common(8):
        table.add_row("without expiration", f"{count:,}", Text(f"“{said}”" if said else "blank"))
    return table


@contextmanager
def progress_bar(console: Console) -> Iterator[importing.OnProgress]:
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True, redirect_stdout=False, redirect_stderr=False,
    ) as bar:  # fmt: skip
        task = bar.add_task("reading", total=None)

        def on_progress(at: importing.Progress) -> None:
            bar.update(task, description=at.stage, completed=at.rows, total=at.total)

        yield on_progress


def _create_tenant(engine: Engine, slug: str, timezone: str, contact: str) -> None:
    pinned_zone(timezone)
    with engine.begin() as connection:
        connection.execute(
            statement("create_tenant"),
            {"slug": slug, "name": slug, "timezone": timezone, "contact_email": contact},
        )
