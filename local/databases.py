"""Databases of the local server: a migrated template, and clones of it that start in a moment."""

from sqlalchemy import Engine

from local import migrations
from local.postgres import Postgres
from nolapse.storage.zones import load_zones

TEMPLATE = "nolapse_template"


def ensure_template(postgres: Postgres) -> None:
    """The template at the head of the migrations, with the pinned zone data in it."""
    if not postgres.has_database(TEMPLATE):
        postgres.create_database(TEMPLATE)
    migrate(postgres, TEMPLATE)


def migrate(postgres: Postgres, name: str) -> None:
    owner, engine = postgres.engine(name), postgres.engine(name, "nolapse_engine")
    try:
        with owner.begin() as connection:
            migrations.upgrade(connection)
        with engine.begin() as connection:
            load_zones(connection)
    finally:
        # A template can be cloned only while nobody is connected to it.
        owner.dispose()
        engine.dispose()


def recreate(postgres: Postgres, name: str) -> None:
    ensure_template(postgres)
    postgres.drop_database(name)
    postgres.create_database(name, TEMPLATE)


def engine_role(postgres: Postgres, name: str) -> Engine:
    return postgres.engine(name, "nolapse_engine")
