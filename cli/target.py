"""The database that a command works on: a given URL, or the local stack's own."""

from dataclasses import dataclass
from typing import Annotated, NoReturn

import sqlalchemy
import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy import Engine, NullPool, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from local.home import open_postgres
from local.up import DATABASE

DRIVER = "postgresql+pg8000"
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="postgresql+pg8000://USER:PASSWORD@HOST/NAME; else the local stack's.",
    ),
]


@dataclass(frozen=True, slots=True)
class Target:
    """`owner` may change the schema; `engine` works under row-level security. One URL serves as both."""

    name: str
    owner: Engine
    engine: Engine


def open_target(url: str | None, *, schema: bool = True) -> Target:
    """Ends the command with a line for a URL that is none, for a database that does not answer, and, but for who makes
    it (`schema` False), for one without our tables.
    """
    target = _given(url) if url is not None else _of_the_local_stack(make=not schema)
    try:
        with target.owner.connect() as connection:
            found = connection.scalar(text("SELECT to_regclass('notification_schedule')"))
    except (DBAPIError, OSError) as error:
        refuse(f"{target.name} does not answer: {_reason(error)}")
    if schema and found is None:
        option = " --database URL" if url is not None else ""
        refuse(f"{target.name} has no tables of Nolapse: nolapse migrate --yes{option}")
    return target


def refuse(why: str) -> NoReturn:
    Console().print(f"[red]✗[/] {escape(why)}", soft_wrap=True)
    raise typer.Exit(1)


def _given(url: str) -> Target:
    try:
        given = sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        given = None
    if given is None or given.drivername != DRIVER:
        raise typer.BadParameter(f"{DRIVER}://USER:PASSWORD@HOST/NAME", param_hint="--database")
    # A command ends with its last connection; a pool would only leave it open behind it.
    engine = sqlalchemy.create_engine(given, hide_parameters=True, poolclass=NullPool)
    return Target(given.render_as_string(hide_password=True), engine, engine)


def _of_the_local_stack(*, make: bool) -> Target:
    postgres = open_postgres()
    if not postgres.has_database(DATABASE):
        if not make:
            refuse("the local stack has no database yet: nolapse migrate --yes")
        postgres.create_database(DATABASE)
    return Target("the local stack", postgres.engine(DATABASE), postgres.engine(DATABASE, "nolapse_engine"))


def _reason(error: DBAPIError | OSError) -> str:
    """A line. PostgreSQL says it in fields, of which M is the message.

    https://www.postgresql.org/docs/current/protocol-error-fields.html
    """
    said = getattr(error, "orig", error)
    fields = said.args[0] if said.args else None
    return str(fields["M"] if isinstance(fields, dict) and "M" in fields else said).partition("\n")[0]
