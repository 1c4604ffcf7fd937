"""Let a notification that was sent be held for a human: sent twice, or without an attempt that proves it."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("""
INSERT INTO notification_transition (from_status, to_status)
VALUES ('SENT', 'HELD'), ('DELIVERED', 'HELD'), ('BOUNCED', 'HELD')
""")
