"""Runs Alembic from code: the migrations need a connection, not an ini file."""

from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Bring the database to head, in the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def pending(connection: Connection) -> list[str]:
    """The revisions between the database and head, oldest first."""
    script = ScriptDirectory.from_config(_config())
    at = current(connection)
    return [
        f"{step.revision} {step.doc}"
        for step in reversed(list(script.iterate_revisions("head", at or "base")))
    ]


def current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def preview(connection: Connection) -> str:
    """The SQL that `upgrade` would run."""
    output = StringIO()
    config = _config(output)
    command.upgrade(config, f"{current(connection) or 'base'}:head", sql=True)
    return output.getvalue()


def _config(output: StringIO | None = None) -> Config:
    config = Config(output_buffer=output) if output else Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("prepend_sys_path", str(MIGRATIONS.parent))
    return config
