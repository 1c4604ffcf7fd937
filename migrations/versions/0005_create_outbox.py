"""Create notification_outbox: one row per attempt, one try with one provider."""

from alembic import op

from migrations.tenancy import isolate

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # No foreign key to the schedule: attempts outlive a lost row and a dropped partition, and prove what left.
    op.execute("""
CREATE TABLE notification_outbox (
  attempt_id           uuid        PRIMARY KEY DEFAULT uuidv7(),
  idempotency_key      bytea       NOT NULL CHECK (octet_length(idempotency_key) = 32),
  tenant_id            uuid        NOT NULL REFERENCES tenants,
  attempt_number       smallint    NOT NULL CHECK (attempt_number > 0),
  scheduled_at         timestamptz NOT NULL,
  started_at           timestamptz NOT NULL,
  lease_until          timestamptz NOT NULL CHECK (lease_until > started_at),
  finished_at          timestamptz,
  channel              text        NOT NULL CHECK (channel IN ('EMAIL')),
  provider             text        NOT NULL CHECK (provider <> ''),
  recipient            text        NOT NULL CHECK (recipient <> ''),
  template             text        NOT NULL CHECK (template <> ''),
  outcome              text        CHECK (outcome IN ('ACCEPTED', 'REJECTED', 'RETRY_SAFE', 'UNKNOWN', 'NOT_FOUND')),
  code                 text,
  provider_message_id  text,
  UNIQUE (idempotency_key, attempt_number),
  CONSTRAINT an_outcome_has_its_time CHECK ((outcome IS NULL) = (finished_at IS NULL)),
  CONSTRAINT what_was_accepted_is_named CHECK ((outcome = 'ACCEPTED') = (provider_message_id IS NOT NULL))
)
""")
    op.execute(
        "COMMENT ON COLUMN notification_outbox.outcome IS "
        "'NULL while in flight; NOT_FOUND: was UNKNOWN, and the provider knows no such message'"
    )
    # What catch-up walks: leases that ran out and outcomes to ask about; a handful of rows at any time.
    op.execute("""
CREATE INDEX notification_outbox_unsettled ON notification_outbox (lease_until)
WHERE outcome IS NULL OR outcome = 'UNKNOWN'
""")
    op.execute("CREATE INDEX notification_outbox_by_tenant ON notification_outbox (tenant_id, started_at)")
    isolate("notification_outbox", api="SELECT")
