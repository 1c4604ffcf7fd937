"""A real PostgreSQL per test process; each test that asks gets a clone of the migrated template database."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from local import migrations
from local.postgres import Postgres, start_postgres
from nolapse.storage.zones import load_zones

# No test judges by the clock: a busy machine would fail it.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

TEMPLATE = "nolapse_template"
WIDE_BYTES = 4 * 2**30
numbers = count(1)


@dataclass(frozen=True, slots=True)
class Database:
    """`engine` and `api` are the product's roles; `owner` is the superuser, for arranging and looking."""

    postgres: Postgres
    name: str
    engine: Engine
    api: Engine
    owner: Engine

    def dispose(self) -> None:
        for engine in (self.engine, self.api, self.owner):
            engine.dispose()


def memory() -> Path | None:
    """Where files cost no disk. ext4 passes by every inode that was freed within the minute, one by one
    (https://elixir.bootlin.com/linux/v6.12/source/fs/ext4/ialloc.c, recently_deleted): a database of 850 files cloned
    and dropped for each test takes it ten times the work there.
    """
    shared = Path("/dev/shm")  # noqa: S108  what is made in it is private
    is_wide = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > WIDE_BYTES
    return shared if is_wide else None


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    # Not below pytest's own folder: every session makes that private again, and the server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="nolapse-tests-", dir=memory()))
    # Last in, first out: the server, which stops as the process ends, is gone by then.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = start_postgres(folder / "data")
    server.create_database(TEMPLATE)
    owner, engine = server.engine(TEMPLATE), server.engine(TEMPLATE, "nolapse_engine")
    with owner.begin() as connection:
        migrations.upgrade(connection)
    with engine.begin() as connection:
        load_zones(connection)
    owner.dispose()
    engine.dispose()
    return server


@contextmanager
def cloned(postgres: Postgres, template: str = TEMPLATE) -> Iterator[Database]:
    """A copy of a database that nobody is connected to, dropped in the end."""
    name = f"test_{next(numbers)}"
    postgres.create_database(name, template)
    made = Database(
        postgres,
        name,
        engine=postgres.engine(name, "nolapse_engine"),
        api=postgres.engine(name, "nolapse_api"),
        owner=postgres.engine(name),
    )
    try:
        yield made
    finally:
        made.dispose()
        postgres.drop_database(name)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    with cloned(postgres) as made:
        yield made
