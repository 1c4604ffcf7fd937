"""Let the API delete medications and list what the schedule holds."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("ALTER TABLE medications ADD COLUMN deleted_at timestamptz")
    op.execute("COMMENT ON COLUMN medications.deleted_at IS 'not shown any more, and stopped; NULL: it is'")
    op.execute(
        "ALTER TABLE medications ADD CONSTRAINT what_was_deleted_was_stopped"
        " CHECK (deleted_at IS NULL OR status = 'STOPPED')"
    )
    op.execute("CREATE INDEX medications_by_label ON medications (tenant_id, label, medication_id)")
    # A tenant's schedule in order of time; no state of a notification touches it.
    op.execute("""
CREATE INDEX notification_schedule_by_time ON notification_schedule (tenant_id, scheduled_at, idempotency_key)
""")
