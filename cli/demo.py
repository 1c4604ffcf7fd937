"""`nolapse demo`: the main job end to end, with what was sent and the proof that nothing is missing."""

import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.demo_report import print_report
from cli.importing import mapping_table, parse_mapping, progress_bar, report_table
from local import demo as main_job
from local import sample_register
from local.clock import VirtualClock
from local.databases import recreate
from local.demo import DATABASE, Files, Register, State
from local.fortnight import live_through
from local.home import home, open_postgres
from local.mailbox import write_mailbox
from local.postgres import Postgres
from local.proof import prove
from local.stack import RunningStack, running
from nolapse.domain.dates import DateOrder
from nolapse.domain.errors import NolapseError
from nolapse.planning.importing.survey import survey
from nolapse.runtime.bootstrap import runtime
from nolapse.runtime.imports import import_register


def demo(
    data: Annotated[Path | None, typer.Option(help="Your own register.", exists=True, dir_okay=False)] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; today.")
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(help="Zone of people of --data whose own is not to be found; America/New_York."),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option("--map", metavar="FIELD=COLUMN", help="Of --data.")
    ] = None,
    dates: Annotated[DateOrder | None, typer.Option(help="How ambiguous dates are written.")] = None,
) -> None:
    """Live through a fortnight: import, plan, scan, dispatch, catch up, reconcile, prove."""
    if data is None and (timezone or columns):
        raise typer.BadParameter(
            "the sample register has its own: it goes with --data FILE", param_hint="--timezone, --map"
        )
    # The functions' own output goes to a log; the console keeps the terminal.
    console = Console(file=sys.stdout)
    files = Files(home())
    files.home.mkdir(parents=True, exist_ok=True)
    register = _register(files, data, start, timezone or "America/New_York", columns or [])
    postgres = open_postgres()
    try:
        run(console, files, register, postgres, dates)
    except NolapseError as refused:
        console.print(f"[red]✗[/] {refused}")
        raise typer.Exit(1) from None


def run(
    console: Console, files: Files, register: Register, postgres: Postgres, dates: DateOrder | None
) -> None:
    state = main_job.unfinished(files, register, postgres)
    if state:
        console.print("[yellow]An earlier run was cut off: going on from where it stood.[/]")
    else:
        state = _begin(console, files, register, postgres)
    clock = VirtualClock(register.start)
    with (
        running(postgres, DATABASE, mail=files.mail, clock=clock) as stack,
        files.log.open("a") as log,
        redirect_stdout(log),
    ):
        clock.move_to(main_job.reached(stack.engine, register.start))
        if state.imported is None:
            _import(console, files, register, stack, state, dates)
        _live(console, register, stack, clock)
        received = stack.sendgrid.messages()
        page = write_mailbox(main_job.mailbox_messages(stack.engine, received), files.mailbox)
        proof = prove(
            stack.engine,
            received,
            start=register.start,
            end=register.end,
            rules=main_job.rules(runtime().late_policy),
            until=clock.now(),
        )
        print_report(console, stack.engine, register, state.imported or {}, proof, page, files.rejects)
    state.finished = True
    state.save(files)
    if not proof.holds:
        raise typer.Exit(1)


def _register(
    files: Files, data: Path | None, start: datetime | None, timezone: str, columns: list[str]
) -> Register:
    if data is None:
        sample_register.write_register(files.sample)
        day = start or datetime.combine(sample_register.START, datetime.min.time())
        return Register(files.sample, day.replace(tzinfo=UTC), sample_register.TENANTS, None, {})
    day = start.replace(tzinfo=UTC) if start else main_job.midnight(datetime.now(UTC))
    own = sample_register.SampleTenant("my-clinic", "My Clinic", timezone)
    # One tenant takes every row, whatever a column of the file may call it.
    return Register(data, day, (own,), own.slug, {"tenant": f"={own.slug}", **parse_mapping(columns)})


def _begin(console: Console, files: Files, register: Register, postgres: Postgres) -> State:
    with console.status("PostgreSQL 18: migrating, loading the zones of the pinned tzdata …"):
        files.state.unlink(missing_ok=True)
        recreate(postgres, DATABASE)
    files.mail.unlink(missing_ok=True)
    files.log.unlink(missing_ok=True)
    state = State(register.digest)
    state.save(files)
    return state


def _import(
    console: Console,
    files: Files,
    register: Register,
    stack: RunningStack,
    state: State,
    dates: DateOrder | None,
) -> None:
    main_job.create_tenants(stack.engine, register)
    settings = runtime().settings
    with progress_bar(console) as on_progress:
        surveyed = survey(register.path, given=register.mapping, date_order=dates, on_progress=on_progress)
        console.print(mapping_table(surveyed))
        report = import_register(
            stack.engine,
            surveyed,
            tenant=register.tenant,
            rejects=files.rejects,
            actor="demo",
            now=register.start,
            horizon_months=settings.horizon_months,
            lookback_days=settings.lookback_days,
            on_progress=on_progress,
        )
    console.print(report_table(report))
    state.imported = report.counts()
    state.save(files)


def _live(console: Console, register: Register, stack: RunningStack, clock: VirtualClock) -> None:
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[now]}"), TimeElapsedColumn(),
        console=console, transient=True,
        # rich would take the functions' output back from the log that it goes to
        redirect_stdout=False, redirect_stderr=False,
    ) as bar:  # fmt: skip
        days = (register.end - register.start).total_seconds()
        task = bar.add_task("a virtual fortnight", total=days, now="")

        def on_tick(at: datetime) -> None:
            bar.update(task, completed=(at - register.start).total_seconds(), now=f"{at:%a %d %b %H:%M} UTC")

        # As after a deploy: what an earlier run left behind is picked up first.
        for function in ("MaintenanceFunction", "CatchUpFunction"):
            stack.functions.invoke(function, {})
        live_through(stack, clock, register.end, lambda tick: on_tick(tick.at))
