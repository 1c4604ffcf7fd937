"""The connection to PostgreSQL: credentials fetched at connect time, transactions that say who acts."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy
from pg8000 import legacy
from pg8000.converters import array_out, date_in, string_array_in, timestamptz_in
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError

# Fields of PostgreSQL's errors that name what is ours, never what a row holds.
# https://www.postgresql.org/docs/18/protocol-error-fields.html
DISCREET = {"S", "V", "C", "M", "s", "t", "c", "d", "n", "F", "L", "R"}
DATA_EXCEPTION = "22"
# Local to the transaction, in one round trip; whoever waits longer for a lock is told to come again. No CHECK ever
# excludes a partition, their bounds do: reading every month's CHECKs for each statement is a third of its planning.
SCOPE = text("""
SELECT
  set_config('app.actor', :actor, true),
  set_config('app.tenant_id', :tenant_id, true),
  set_config('app.clinician_id', :clinician_id, true),
  set_config('app.correlation_id', :correlation_id, true),
  set_config('transaction_read_only', :read_only, true),
  set_config('lock_timeout', '10s', true),
  set_config('constraint_exclusion', 'off', true)
""")
DATE, TEXT_ARRAY, TIMESTAMPTZ = 1082, 1009, 1184


_read_placeholders = legacy.convert_paramstyle


@lru_cache(maxsize=256)
def _with_dollars(style: str, statement: str) -> str:
    return str(_read_placeholders(style, statement, ())[0])


# Whenever pg8000 executes a statement it reads it character by character, which costs more than a short one's answer.
# SQLAlchemy gives it values by position, so that its reading depends on the text alone.
legacy.convert_paramstyle = lambda style, statement, values: (_with_dollars(style, statement), values)


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
        # False: none at all. Left out, pg8000 loads the machine's certificates, which takes longer than to connect.
        parameters["ssl_context"] = ssl.create_default_context() if verify_tls else False

    @event.listens_for(engine, "connect")
    def convert_fast(connection: Any, _record: Any) -> None:
        connection.register_in_adapter(DATE, _day)
        connection.register_in_adapter(TEXT_ARRAY, _texts)
        connection.register_in_adapter(TIMESTAMPTZ, _instant)
        connection.register_out_adapter(list, _array)

    @event.listens_for(engine, "checkout")
    def ping(connection: Any, _record: Any, _proxy: Any) -> None:
        # In place of pool_pre_ping, which lets through what pg8000 does: a reset connection as a bare OSError.
        connection.autocommit = True  # or pg8000 would begin a transaction
        try:
            engine.dialect.do_ping(connection)
        except (OSError, engine.dialect.loaded_dbapi.Error) as error:
            raise InvalidatePoolError from error
        connection.autocommit = False

    event.listen(engine, "handle_error", _withhold_rows)
    event.listen(engine, "handle_error", _give_up)
    return engine


def _day(said: str) -> date | str:
    """As pg8000 reads it, without its strptime: 'infinity' stays a word."""
    try:
        return date.fromisoformat(said)
    except ValueError:
        return date_in(said)  # type: ignore[no-any-return]


def _instant(said: str) -> datetime | str:
    """As pg8000 reads it, whose strptime costs more than the rest of a row: 'infinity' stays a word."""
    try:
        return datetime.fromisoformat(said)
    except ValueError:
        return timestamptz_in(said)  # type: ignore[no-any-return]


def _texts(said: str) -> list[Any]:
    """As pg8000 reads it, which looks at each character: words that nothing is quoted in, nested or NULL are split."""
    plain = said[1:-1]
    if not plain:
        return []
    if '"' in plain or "{" in plain or "NULL" in plain:
        return string_array_in(said)  # type: ignore[no-any-return]
    return plain.split(",")


def _array(values: list[Any]) -> str:
    """As pg8000 writes it, which looks at each character to spare a quote: quotes are always allowed.

    https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO
    """
    return "{" + ",".join([ELEMENTS.get(type(value), array_out)(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


ELEMENTS: dict[type, Callable[[Any], str]] = {
    NoneType: lambda _: "NULL",
    str: _quoted,
    UUID: str,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
    list: _array,
}


def _withhold_rows(context: ExceptionContext) -> DBAPIError | None:
    """PostgreSQL quotes whole rows in its errors, and errors end in logs."""
    error, wrapped = context.original_exception, context.sqlalchemy_exception
    said = error.args[0] if error.args else None
    if not isinstance(said, dict) or not isinstance(wrapped, DBAPIError):
        return None
    # In place: pg8000 hangs the same fields on the error that it raised before this one.
    if said["C"].startswith(DATA_EXCEPTION):
        said["M"] = "withheld: it quotes a value"
    for field in said.keys() - DISCREET:
        del said[field]
    return type(wrapped)(
        context.statement, None, error, hide_parameters=True, connection_invalidated=context.is_disconnect
    )


def _give_up(context: ExceptionContext) -> None:
    """What fails within pg8000 leaves half a message on the wire, and whoever came next would read its answer."""
    if not isinstance(context.sqlalchemy_exception, DBAPIError):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False


def said(error: DBAPIError, field: str) -> str:
    """A field of PostgreSQL's error; empty where the server said nothing.

    https://www.postgresql.org/docs/18/protocol-error-fields.html
    """
    fields = error.orig.args[0] if error.orig and error.orig.args else None
    return str(fields.get(field, "")) if isinstance(fields, dict) else ""


@contextmanager
def transaction(engine: Engine, actor: str) -> Iterator[Connection]:
    """One transaction whose audit entries name `actor`."""
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('app.actor', :actor, true)"), {"actor": actor})
        yield connection


@contextmanager
def tenant_transaction(
    engine: Engine,
    actor: str,
    tenant_id: UUID,
    *,
    clinician_id: UUID | None = None,
    correlation_id: str = "",
    read_only: bool = False,
) -> Iterator[Connection]:
    """One transaction of the API's role, which sees the rows of this tenant alone; of `clinician_id` alone if given.

    What it plans or sends again keeps `correlation_id`.
    """
    with engine.begin() as connection:
        connection.execute(
            SCOPE,
            {
                "actor": actor,
                "tenant_id": str(tenant_id),
                "clinician_id": str(clinician_id or ""),
                "correlation_id": correlation_id,
                "read_only": "on" if read_only else "off",
            },
        )
        yield connection
