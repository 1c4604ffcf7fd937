"""Let what was given up be cancelled where its person is erased, and find receipts that are forgotten past those kept."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute(
        "INSERT INTO notification_transition (from_status, to_status) VALUES ('DEFERRED', 'CANCELLED')"
    )
    op.execute("DROP INDEX provider_receipts_by_time")
    op.execute("""
CREATE INDEX provider_receipts_by_time ON provider_receipts (taken_at)
WHERE suppresses IS NULL AND attempt_id IS NOT NULL
""")
