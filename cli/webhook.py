"""`nolapse webhook`: where a tenant's own system is told."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from cli.operators import WhoOption
from cli.policy import refusals
from cli.target import DatabaseOption, open_target
from nolapse.delivery.by_hand import remove_webhook, set_webhook

app = typer.Typer(no_args_is_help=True, help="Webhooks of tenants.")

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
        f"[green]✓[/] {tenant} is told at its endpoint;"
        f' its secret is STACK/webhooks/{tenant_id}, {{"keys": ["whsec_…"]}}',
        soft_wrap=True,
    )


@app.command("remove")
def remove(tenant: TenantOption, who: WhoOption, database: DatabaseOption = None) -> None:
    """Tell a tenant's own system no more; steps go on by their next channel."""
    console = Console()
    with refusals(console), open_target(database).engine.begin() as connection:
        remove_webhook(connection, tenant, who=who, now=datetime.now(UTC))
    console.print(f"[green]✓[/] {tenant} has no webhook any more")
