"""`nolapse reconcile`: the nightly run by hand, with what it found."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from cli.target import DatabaseOption, open_target
from local.home import home
from local.reconcile_page import load_run, write_reconciliation
from local.stack import planning_limits
from nolapse.planning.findings import EXPLANATION, ReconcileReport
from nolapse.planning.reconcile import reconcile as reconcile_base
from nolapse.storage.statements import statement


def reconcile(
    page: Annotated[bool, typer.Option("--page", help="Write the report as a page too.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Compute the whole schedule anew, compare, heal and report."""
    console = Console()
    engine = open_target(database).engine
    now = datetime.now(UTC)
    with console.status("comparing the schedule with what the dates call for …"):
        report = _recorded(engine, now)
    if report.findings:
        console.print(findings_table(report))
    console.print(verdict(report))
    if page:
        target = write_reconciliation(load_run(engine, now, report), home() / "reconcile.html")
        console.print(f"page: [link={target.resolve().as_uri()}]{target}[/]")


def findings_table(report: ReconcileReport) -> Table:
    table = Table(title="What was found", title_justify="left")
    table.add_column("Finding")
    for heading in ("Found", "Healed", "Held", "Left"):
        table.add_column(heading, justify="right")
    table.add_column("Meaning")
    for finding in report.findings:
        table.add_row(
            finding.kind.value.replace("_", " "), f"{finding.found:,}", f"{finding.healed:,}",
            _open(finding.held), _open(finding.left), EXPLANATION[finding.kind],
        )  # fmt: skip
    return table


def verdict(report: ReconcileReport) -> str:
    promised = f"promised up to {report.horizon:%d %b %Y}"
    unhealed = sum(finding.held + finding.left for finding in report.findings)
    if unhealed:
        return f"[red]✗[/] drift {report.drift:,}; {unhealed:,} wait for a human; {promised}"
    return f"[green]✓[/] drift {report.drift:,}{', healed' if report.drift else ''}; {promised}"


def _recorded(engine: Engine, now: datetime) -> ReconcileReport:
    """As a scheduled run is: what it promises binds the next one."""
    with engine.begin() as connection:
        run_id = connection.scalar(statement("begin_run"), {"function": "reconcile", "now": now})
    report = reconcile_base(engine, now=now, **planning_limits())
    with engine.begin() as connection:
        connection.execute(
            statement("finish_run"),
            {"run_id": run_id, "now": datetime.now(UTC), "counts": json.dumps(report.counts)},
        )
    return report


def _open(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "dim")
