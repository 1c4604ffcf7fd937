"""The connection to PostgreSQL: credentials fetched at connect time, transactions that say who acts."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text


class Credentials(NamedTuple):
    username: str
    password: str


def create_engine(
    *, host: str, port: int, database: str, verify_tls: bool, credentials: Callable[[], Credentials]
) -> Engine:
    """An engine over pg8000; `credentials` is asked for every new connection, so that rotation just works.

    A `host` that begins with a slash is the directory of a Unix socket, as in libpq
    (https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNECT-HOST).
    """
    engine = sqlalchemy.create_engine(
        "postgresql+pg8000://",
        pool_size=5,
        pool_pre_ping=True,
        hide_parameters=True,  # an error must not carry names and addresses into a log
        connect_args={"database": database},
    )

    @event.listens_for(engine, "do_connect")
    def fill_in(_dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        username, password = credentials()
        parameters.update(user=username, password=password)
        if host.startswith("/"):
            parameters["unix_sock"] = f"{host}/.s.PGSQL.{port}"
        else:
            parameters.update(host=host, port=port)
        if verify_tls:
            parameters["ssl_context"] = ssl.create_default_context()

    return engine


@contextmanager
def transaction(engine: Engine, actor: str) -> Iterator[Connection]:
    """One transaction whose audit entries name `actor`."""
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('app.actor', :actor, true)"), {"actor": actor})
        yield connection
