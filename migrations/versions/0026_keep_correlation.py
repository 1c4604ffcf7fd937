"""Keep with a notification which request of the API moved it last, for the logs of its sending to name it."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    # Without a CHECK, which every claim would evaluate: the API writes what it checked, and nobody else writes it.
    op.execute("ALTER TABLE notification_schedule ADD COLUMN correlation_id text")
    op.execute(
        "COMMENT ON COLUMN notification_schedule.correlation_id IS "
        "'X-Correlation-Id of the request that last planned it, moved it or let it be sent again; NULL: none did'"
    )
