"""`nolapse token`: an access token of the local issuer, for the API of `nolapse up`."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy import text

from cli.target import open_target
from local.home import home
from local.issuer import Issuer
from nolapse.api.identity import READ, WRITE, Role


def token(
    tenant: Annotated[str, typer.Option(metavar="SLUG", help="Whose records it opens.")],
    role: Annotated[Role, typer.Option(case_sensitive=False)] = Role.CLINIC,
    clinician: Annotated[UUID | None, typer.Option(help="Whose records a physician sees.")] = None,
    subject: Annotated[str, typer.Option("--as", metavar="NAME", help="Whom the audit log names.")] = "local",
    minutes: Annotated[int, typer.Option(min=1, help="How long it is good.")] = 60,
    read_only: Annotated[bool, typer.Option("--read-only", help="Without the scope to write.")] = False,
) -> None:
    """Print an access token."""
    if role is Role.PHYSICIAN and clinician is None:
        raise typer.BadParameter("a physician's token needs --clinician ID")
    with open_target(None).engine.connect() as connection:
        tenant_id = connection.scalar(
            text("SELECT tenant_id FROM tenants WHERE slug = :slug"), {"slug": tenant}
        )
    if tenant_id is None:
        raise typer.BadParameter(f"there is no tenant {tenant}: import a register for it first")
    typer.echo(
        Issuer(home()).token(
            role,
            tenant_id,
            now=datetime.now(UTC),
            clinician_id=clinician,
            subject=subject,
            scopes=READ if read_only else f"{READ} {WRITE}",
            lasting=timedelta(minutes=minutes),
        )
    )
