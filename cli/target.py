"""The database that a command works on: a given URL, or the local stack's own."""

from dataclasses import dataclass
from typing import Annotated

import sqlalchemy
import typer
from sqlalchemy import Engine, NullPool

from local.home import open_postgres
from local.up import DATABASE

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


def open_target(url: str | None) -> Target:
    if url:
        # A command ends with its last connection; a pool would only leave it open behind it.
        engine = sqlalchemy.create_engine(url, hide_parameters=True, poolclass=NullPool)
        return Target(engine.url.render_as_string(hide_password=True), engine, engine)
    postgres = open_postgres()
    if not postgres.has_database(DATABASE):
        postgres.create_database(DATABASE)
    return Target("the local stack", postgres.engine(DATABASE), postgres.engine(DATABASE, "nolapse_engine"))
