"""Alembic's entry point: one transaction for the whole upgrade, with timeouts, as the owner role.

`lock_timeout` keeps a migration from queueing behind (and then blocking) live traffic;
`statement_timeout` bounds what it may cost. Both fail the migration, which then changes nothing.
"""

from alembic import context
from sqlalchemy import Connection, text

TIMEOUTS = ("SET lock_timeout = '5s'", "SET statement_timeout = '15min'")

# The role exists from 0001 on; before that the connecting role lays the ground.
AS_OWNER = """
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'nolapse_owner') AND to_regclass('tenants') IS NOT NULL THEN
    SET LOCAL ROLE nolapse_owner;
  END IF;
END $$
"""


def upgrade_offline() -> None:
    """Print the SQL instead of running it (`nolapse migrate --dry-run`)."""
    context.configure(dialect_name="postgresql", literal_binds=True)
    with context.begin_transaction():
        for statement in (*TIMEOUTS, AS_OWNER):
            context.execute(statement)
        context.run_migrations()


def upgrade_online(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        for statement in (*TIMEOUTS, AS_OWNER):
            connection.execute(text(statement))
        context.run_migrations()


if context.is_offline_mode():
    upgrade_offline()
else:
    upgrade_online(context.config.attributes["connection"])
