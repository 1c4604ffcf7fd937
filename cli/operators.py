"""What the commands of operators share: who acts, how fast, and how a table is printed."""

import getpass
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from nolapse.runtime.reports import Table

WhoOption = Annotated[
    str,
    typer.Option("--as", metavar="NAME", default_factory=getpass.getuser, help="Whom the audit log names."),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
RateOption = Annotated[int, typer.Option("--rate", min=1, help="How many a second at most.")]


def show(console: Console, tables: Sequence[Table]) -> None:
    for table in tables:
        if table.rows:
            printed = RichTable(title=table.title, title_justify="left")
            for heading in table.headings:
                printed.add_column(heading, overflow="fold")
            for row in table.rows:
                printed.add_row(*map(Text, row))
            console.print(printed)
        if table.note:
            console.print(table.note)
