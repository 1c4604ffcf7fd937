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
from nolapse.runtime import bootstrap, operations
from nolapse.runtime.operations import MOST_LETTERS, PER_SECOND, ListLetters, Operation, Purge, Redrive
from nolapse.runtime.reports import fates_table

app = typer.Typer(no_args_is_help=True, help="Dead-letter queues.")

QueueOption = Annotated[str | None, typer.Option("--queue", help="Name of one queue; else all.")]
MostOption = Annotated[int, typer.Option("--most", min=1, help="How many messages of a queue to look at.")]


def open_stack(console: Console) -> bootstrap.Runtime:
    if "EMAIL_QUEUE_URL" not in os.environ:
        try:
            os.environ.update(json.loads((home() / ENVIRONMENT).read_text(encoding="utf-8")))
        except FileNotFoundError:
            console.print("[red]✗[/] no stack runs here: nolapse up, or set the variables of template.yaml")
            raise typer.Exit(1) from None
    return bootstrap.runtime()


def perform(operation: Operation) -> None:
    console = Console()
    stack = open_stack(console)
    with refusals(console):
        show(console, operations.perform(stack, operation, now=stack.clock.now()))


@app.command("list")
def list_letters(queue: QueueOption = None, most: MostOption = MOST_LETTERS) -> None:
    """Show depth, age, and what every letter is about with its state in the database."""
    perform(ListLetters(queue=queue, most=most))


@app.command("redrive")
def redrive(
    who: WhoOption,
    queue: QueueOption = None,
    dry_run: DryRunOption = False,
    most: MostOption = MOST_LETTERS,
    rate: RateOption = PER_SECOND,
) -> None:
    """Let rows that are still queued wait again, and drop the letters whose work is done."""
    perform(Redrive(who=who, queue=queue, dry_run=dry_run, most=most, per_second=rate))


@app.command("purge")
def purge(
    who: WhoOption,
    queue: Annotated[str, typer.Option("--queue", help="Name of the queue.")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    most: MostOption = MOST_LETTERS,
    rate: RateOption = PER_SECOND,
) -> None:
    """Delete the letters that one queue holds now, forged ones too, and none that comes later; rows stay."""
    console = Console()
    stack = open_stack(console)
    with refusals(console):
        found = operations.look_at(stack, queue, most, now=stack.clock.now())
    show(console, [fates_table("Would be purged", found)])
    if dry_run or not found:
        return
    if not yes and not typer.confirm(f"Delete them from {queue}?"):
        raise typer.Abort
    letters = [each.letter.message_id for each in found]
    # What came meanwhile lies among them.
    perform(Purge(who=who, queue=queue, letters=letters, most=most + len(letters), per_second=rate))
