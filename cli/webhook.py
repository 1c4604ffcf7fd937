"""`nolapse webhook`: where a tenant's own system is told, and by which key it knows who tells it."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.dead_letters import open_stack
from cli.operators import WhoOption, YesOption
from cli.policy import refusals
from cli.target import DatabaseOption, open_target
from nolapse.delivery.by_hand import remove_webhook, set_webhook

app = typer.Typer(no_args_is_help=True, help="Webhooks of tenants.")
secret = typer.Typer(no_args_is_help=True, help="The keys by which a tenant knows what we send.")
app.add_typer(secret, name="secret")

TenantOption = Annotated[str, typer.Option(help="Slug of the tenant.")]


@app.command("set")
def name(
    url: Annotated[str, typer.Argument(help="https://HOST/PATH")],
    tenant: TenantOption,
    who: WhoOption,
    database: DatabaseOption = None,
) -> None:
    """Name the endpoint of a tenant, or enable one again that had been gone."""
    console = Console()
    with refusals(console), open_target(database).engine.begin() as connection:
        tenant_id = set_webhook(connection, tenant, url, who=who, now=datetime.now(UTC))
    console.print(
        f"[green]✓[/] {tenant} is told at its endpoint; its secret is STACK/webhooks/{tenant_id}:"
        f" nolapse webhook secret rotate --tenant {tenant} makes one",
        soft_wrap=True,
    )


@app.command("remove")
def remove(tenant: TenantOption, who: WhoOption, database: DatabaseOption = None) -> None:
    """Tell a tenant's own system no more; steps go on by their next channel."""
    console = Console()
    with refusals(console), open_target(database).engine.begin() as connection:
        remove_webhook(connection, tenant, who=who, now=datetime.now(UTC))
    console.print(f"[green]✓[/] {tenant} has no webhook any more")


@secret.command("rotate")
def rotate(tenant: TenantOption, who: WhoOption) -> None:
    """Make a new key, the first or the next, and show it this once; the one before signs too until it is retired."""
    made = _change(lambda keys, **how: keys.rotate(tenant=tenant, who=who, **how))
    console = Console()
    console.print("[green]✓[/] give it to the tenant now, nothing shows it again:", soft_wrap=True)
    console.print(made, soft_wrap=True, highlight=False)


@secret.command("set")
def put(tenant: TenantOption, who: WhoOption) -> None:
    """Take a key that the tenant made: asked for, or read from a pipe, so that no shell keeps it."""
    # A prompt that hides its answer asks the terminal, whatever is piped in.
    asks = sys.stdin.isatty()
    key = (typer.prompt("Key (whsec_…)", hide_input=True) if asks else sys.stdin.readline()).strip()
    _change(lambda keys, **how: keys.set(tenant=tenant, key=key, who=who, **how))
    Console().print(
        f"[green]✓[/] {tenant} is signed for with it, and with the key before until that is retired"
    )


@secret.command("retire")
def retire(tenant: TenantOption, who: WhoOption) -> None:
    """Sign with the newest key alone: the tenant has changed over."""
    gone = _change(lambda keys, **how: keys.retire(tenant=tenant, who=who, **how))
    Console().print(f"[green]✓[/] {gone} older keys of {tenant} are retired")


@secret.command("remove")
def forget(tenant: TenantOption, who: WhoOption, yes: YesOption = False) -> None:
    """Delete all keys: events wait until there is one again."""
    if not yes and not typer.confirm(f"Delete the keys of {tenant}?"):
        raise typer.Abort
    _change(lambda keys, **how: keys.remove(tenant=tenant, who=who, **how))
    Console().print(f"[green]✓[/] {tenant} has no key any more")


def _change(change: Callable[..., Any]) -> Any:
    """On the stack whose variables the environment holds, else on the one that `nolapse up` runs."""
    console = Console()
    stack = open_stack(console)
    with refusals(console), stack.engine.begin() as connection:
        return change(stack.webhook_secrets, connection=connection, now=stack.clock.now())
