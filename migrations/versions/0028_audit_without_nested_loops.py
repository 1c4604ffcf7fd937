"""Let the audit trigger cost what its entries cost, however many a statement moves."""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    # The function's plan is kept for the whole session, and made for as many rows as its first statement moved: mostly
    # none, a scan's look for what is needless. Nested loops are then chosen for good, and compare a thousand rows that
    # were with a thousand that became.
    op.execute("ALTER FUNCTION audit_notification_transitions SET enable_nestloop = off")
    # Asked for by equality alone; a subject is 77 characters, its hash four bytes.
    op.execute("DROP INDEX audit_log_by_subject")
    op.execute("CREATE INDEX audit_log_by_subject ON audit_log USING hash (subject)")
