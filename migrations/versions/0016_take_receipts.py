"""Take vendors' receipts: what they said, whom not to write to any more, and how a bounce goes on."""

from alembic import op

from migrations.tenancy import isolate

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    let_receipts_settle()
    keep_receipts()
    create_suppressions()
    audit_suppressions()


def let_receipts_settle() -> None:
    # A bounce is proof that nobody was told: it is no ACCEPTED any more, so that the next channel may be tried.
    op.execute("""
ALTER TABLE notification_outbox
  DROP CONSTRAINT notification_outbox_outcome_check,
  ADD CHECK (outcome IN ('ACCEPTED', 'REJECTED', 'RETRY_SAFE', 'UNKNOWN', 'NOT_FOUND', 'UNPROVEN', 'BOUNCED')),
  DROP CONSTRAINT what_was_accepted_is_named,
  ADD CONSTRAINT what_was_accepted_is_named CHECK (
    (coalesce(outcome, '') IN ('ACCEPTED', 'BOUNCED')) = (provider_message_id IS NOT NULL)),
  ADD COLUMN delivered_at timestamptz
""")
    op.execute(
        "COMMENT ON COLUMN notification_outbox.delivered_at IS "
        "'when the recipient''s system took it, as the vendor said later; a bounce may follow all the same'"
    )
    op.execute("""
INSERT INTO notification_transition (from_status, to_status)
VALUES
  ('PENDING', 'SENT'), ('LATE_PENDING', 'SENT'), ('QUEUED', 'SENT'), ('DEFERRED', 'SENT'),
  ('DELIVERED', 'BOUNCED'),
  ('BOUNCED', 'PENDING'), ('BOUNCED', 'LATE_PENDING')
""")


def keep_receipts() -> None:
    # The vendors' own ids and codes, nothing about a person. Of no tenant until its attempt is known.
    op.execute("""
CREATE TABLE provider_receipts (
  receipt_id           uuid        PRIMARY KEY DEFAULT uuidv7(),
  attempt_id           uuid,
  at                   timestamptz NOT NULL,
  taken_at             timestamptz NOT NULL,
  applied_at           timestamptz,
  provider             text        NOT NULL CHECK (provider <> ''),
  event_id             text        NOT NULL CHECK (event_id <> ''),
  kind                 text        NOT NULL CHECK (kind IN (
    'DELIVERED', 'BOUNCED', 'DEFERRED', 'COMPLAINED', 'UNSUBSCRIBED', 'RESUBSCRIBED', 'OTHER')),
  suppresses           text        CHECK (suppresses IN ('HARD_BOUNCE', 'COMPLAINT', 'UNSUBSCRIBED', 'STOP')),
  code                 text,
  provider_message_id  text        NOT NULL,
  UNIQUE (provider, event_id, kind)
)
""")
    for column, comment in {
        "attempt_id": "whose it is; NULL: it speaks of an address and of no message",
        "at": "when it happened, by the vendor''s clock",
        "applied_at": "NULL: its attempt is not there yet",
        "kind": "part of what is unique: documented samples of different kinds share one event id",
    }.items():
        op.execute(f"COMMENT ON COLUMN provider_receipts.{column} IS '{comment}'")
    op.execute(
        "CREATE INDEX provider_receipts_waiting ON provider_receipts (taken_at) WHERE applied_at IS NULL"
    )
    op.execute("CREATE INDEX provider_receipts_by_time ON provider_receipts (taken_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON provider_receipts TO nolapse_engine")


def create_suppressions() -> None:
    # One spelling per address: e-mail is compared without its case, numbers are E.164 already.
    op.execute("""
CREATE FUNCTION address_digest(address text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN sha256(convert_to(lower(btrim(address)), 'UTF8'))
""")
    # The last word counts, in whatever order words arrive: both times only grow.
    op.execute("""
CREATE TABLE suppressions (
  suppression_id  uuid        PRIMARY KEY DEFAULT uuidv7(),
  tenant_id       uuid        NOT NULL REFERENCES tenants,
  address_sha256  bytea       NOT NULL CHECK (octet_length(address_sha256) = 32),
  channel         text        NOT NULL CHECK (channel <> ''),
  reason          text        NOT NULL CHECK (reason IN ('HARD_BOUNCE', 'COMPLAINT', 'UNSUBSCRIBED', 'STOP')),
  since           timestamptz NOT NULL,
  lifted_at       timestamptz,
  updated_at      timestamptz NOT NULL,
  in_force        boolean     GENERATED ALWAYS AS (lifted_at IS NULL OR since > lifted_at) VIRTUAL,
  UNIQUE (tenant_id, address_sha256, channel, reason)
)
""")
    for column, comment in {
        "address_sha256": "address_digest() of it: who it is can be asked, not read",
        "since": "when it was last wanted; -infinity: only ever lifted",
        "lifted_at": "when it was last lifted; a later since puts it in force again",
    }.items():
        op.execute(f"COMMENT ON COLUMN suppressions.{column} IS '{comment}'")
    isolate("suppressions", api="SELECT, INSERT, UPDATE")
    # STOP comes from a number and names no tenant.
    op.execute("CREATE INDEX clinicians_by_phone ON clinicians (phone) WHERE phone IS NOT NULL")


def audit_suppressions() -> None:
    op.execute("""
CREATE FUNCTION audit_suppression() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  was     boolean := TG_OP = 'UPDATE' AND (OLD.lifted_at IS NULL OR OLD.since > OLD.lifted_at);
  becomes boolean := NEW.lifted_at IS NULL OR NEW.since > NEW.lifted_at;
BEGIN
  IF was <> becomes THEN
    PERFORM append_audit(ARRAY[NEW.tenant_id], ARRAY[NEW.updated_at],
      CASE WHEN becomes THEN 'suppression.recorded' ELSE 'suppression.lifted' END,
      ARRAY['suppression:' || NEW.suppression_id], ARRAY[NULL::text], ARRAY[NEW.channel], ARRAY[NEW.reason]);
  END IF;
  RETURN NULL;
END $$
""")
    op.execute("""
CREATE TRIGGER suppressions_audited AFTER INSERT OR UPDATE ON suppressions
FOR EACH ROW EXECUTE FUNCTION audit_suppression()
""")
