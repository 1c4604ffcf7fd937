"""Let a human send again what was given up, and a flag hold back what it says must not leave."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("""
INSERT INTO notification_transition (from_status, to_status)
VALUES
  ('QUEUED', 'SUPPRESSED'),
  ('DEFERRED', 'PENDING'), ('DEFERRED', 'LATE_PENDING'),
  ('SUPPRESSED', 'PENDING'), ('SUPPRESSED', 'LATE_PENDING')
""")
