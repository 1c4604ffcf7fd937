"""`nolapse dlq`: dead-letter queues, by what the database knows of their letters.

Works on the stack whose variables the environment holds (those of template.yaml, and AWS's own), else on the one that
`nolapse up` runs.
"""

import json
import os
from typing import Annotated

import typer
from rich.console import Console

from cli.operators import DryRunOption, RateOption, WhoOption, YesOption, show
from cli.policy import refusals
from local.home import home
from local.up import ENVIRONMENT
from nolapse.delivery.dead_letters import look, purge, redrive
from nolapse.runtime import bootstrap
from nolapse.runtime.operations import MOST_LETTERS, PER_SECOND, find_queues
from nolapse.runtime.reports import depths_table, fates_table, letters_table

app = typer.Typer(no_args_is_help=True, help="Dead-letter queues.")

QueueOption = Annotated[str | None, typer.Option("--queue", help="Name of one queue; else all.")]
MostOption = Annotated[int, typer.Option("--most", min=1, help="How many letters of a queue to look at.")]


def open_stack(console: Console) -> bootstrap.Runtime:
    if "EMAIL_QUEUE_URL" not in os.environ:
        try:
            os.environ.update(json.loads((home() / ENVIRONMENT).read_text(encoding="utf-8")))
        except FileNotFoundError:
            console.print("[red]✗[/] no stack runs here: nolapse up, or set the variables of template.yaml")
            raise typer.Exit(1) from None
    return bootstrap.runtime()


@app.command("list")
def list_letters(queue: QueueOption = None, most: MostOption = MOST_LETTERS) -> None:
    """Show depth, age, and what every letter is about with its state in the database."""
    console = Console()
    stack = open_stack(console)
    now = stack.clock.now()
    with refusals(console), stack.engine.connect() as connection:
        queues = find_queues(stack.dead_letter_queues, queue)
        depths = {each.name: each.depth() for each in queues}
        found = [
            letter
            for each in queues
            if depths[each.name]
            for letter in look(connection, each, now=now, most=most)
        ]
    show(console, [depths_table(depths, found, now), letters_table("Letters", found, now)])


@app.command("redrive")
def redrive_letters(
    who: WhoOption,
    queue: QueueOption = None,
    dry_run: DryRunOption = False,
    most: MostOption = MOST_LETTERS,
    rate: RateOption = PER_SECOND,
) -> None:
    """Let rows that are still queued wait again, and drop the letters whose work is done."""
    console = Console()
    stack = open_stack(console)
    now = stack.clock.now()
    with refusals(console):
        queues = find_queues(stack.dead_letter_queues, queue)
        if dry_run:
            with stack.engine.connect() as connection:
                found = [each for one in queues for each in look(connection, one, now=now, most=most)]
            show(console, [fates_table("Would be redriven", found)])
            return
        found = [
            each
            for one in queues
            for each in redrive(stack.engine, one, who=who, now=now, most=most, per_second=rate)
        ]
        show(console, [fates_table("Redriven", found)])


@app.command("purge")
def purge_letters(
    who: WhoOption,
    queue: Annotated[str, typer.Option("--queue", help="Name of the queue.")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    most: MostOption = MOST_LETTERS,
    rate: RateOption = PER_SECOND,
) -> None:
    """Delete every letter of one queue, forged ones too; rows stay as they are."""
    console = Console()
    stack = open_stack(console)
    now = stack.clock.now()
    with refusals(console):
        (only,) = find_queues(stack.dead_letter_queues, queue)
        if dry_run or not yes:
            with stack.engine.connect() as connection:
                found = look(connection, only, now=now, most=most)
            show(console, [fates_table("Would be purged", found)])
            if dry_run or not found:
                return
            if not typer.confirm(f"Delete {len(found):,} letters of {queue}?"):
                raise typer.Abort
        found = purge(stack.engine, only, who=who, now=now, most=most, per_second=rate)
        show(console, [fates_table("Purged", found)])
