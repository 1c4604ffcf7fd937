"""`nolapse up`: the local stack until Ctrl-C."""

import logging
import signal
from threading import Event
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from cli.target import open_target
from local import migrations
from local.home import home, open_postgres
from local.up import up as run_up


def up(port: Annotated[int, typer.Option(help="Port of the API and the mailbox page.")] = 8000) -> None:
    """Run the stack in real time: API, mailbox page, schedules."""
    console = Console()
    logging.basicConfig(level=logging.WARNING, handlers=[RichHandler(console=console)])
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with open_target(None).owner.connect() as connection:
        if migrations.pending(connection):
            console.print("[red]✗[/] the local stack's database is not at head: nolapse migrate")
            raise typer.Exit(1)
    postgres = open_postgres()
    with run_up(postgres, home(), port) as url:
        console.print(f"[bold green]up[/]  API      {url}/health")
        console.print("    token    nolapse token --tenant SLUG")
        console.print(f"    mailbox  {url}/mailbox/")
        console.print("    import   nolapse import FILE --tenant SLUG --timezone ZONE --contact ADDRESS")
        console.print("[dim]Ctrl-C stops it[/]")
        stop.wait()
        console.print("stopping …")
    console.print("[green]✓[/] stopped")
