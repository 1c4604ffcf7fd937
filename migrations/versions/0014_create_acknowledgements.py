"""Create acknowledgements: what people answered to a reminder, through the link in it."""

from alembic import op

from migrations.tenancy import isolate

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    create_acknowledgements()
    let_links_be_revoked()


def create_acknowledgements() -> None:
    # Append-only: what somebody said stays said; the last answer of a notification counts.
    op.execute("""
CREATE TABLE acknowledgements (
  acknowledgement_id  uuid        PRIMARY KEY DEFAULT uuidv7(),
  tenant_id           uuid        NOT NULL,
  clinician_id        uuid        NOT NULL,
  license_id          uuid        NOT NULL,
  idempotency_key     bytea       NOT NULL CHECK (octet_length(idempotency_key) = 32),
  scheduled_at        timestamptz NOT NULL,
  at                  timestamptz NOT NULL,
  occurrence          text        NOT NULL,
  answer              text        NOT NULL CHECK (answer IN ('RENEWED', 'IN_PROGRESS', 'NOT_MINE')),
  via                 text        NOT NULL CHECK (via IN ('LINK')),
  FOREIGN KEY (tenant_id, clinician_id) REFERENCES clinicians (tenant_id, clinician_id),
  FOREIGN KEY (tenant_id, license_id) REFERENCES licenses (tenant_id, license_id)
)
""")
    for column, comment in {
        "clinician_id": "who was asked: the holder, or their supervisor",
        "occurrence": "that of the notification: what was answered holds for this date of the licence only",
    }.items():
        op.execute(f"COMMENT ON COLUMN acknowledgements.{column} IS '{comment}'")
    op.execute("CREATE INDEX acknowledgements_by_license ON acknowledgements (tenant_id, license_id)")
    op.execute("CREATE INDEX acknowledgements_by_clinician ON acknowledgements (tenant_id, clinician_id)")
    op.execute("CREATE INDEX acknowledgements_by_notification ON acknowledgements (idempotency_key)")
    isolate("acknowledgements", api="SELECT, INSERT", engine="SELECT")
    op.execute("""
CREATE FUNCTION audit_acknowledgement() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM append_audit(ARRAY[NEW.tenant_id], ARRAY[NEW.at], 'acknowledgement.recorded',
    ARRAY['notification:' || encode(NEW.idempotency_key, 'hex')], ARRAY[NULL::text], ARRAY[NEW.answer], ARRAY[NEW.via]);
  RETURN NULL;
END $$
""")
    op.execute("""
CREATE TRIGGER acknowledgements_audited AFTER INSERT ON acknowledgements
FOR EACH ROW EXECUTE FUNCTION audit_acknowledgement()
""")


def let_links_be_revoked() -> None:
    op.execute("ALTER TABLE clinicians ADD COLUMN links_revoked_at timestamptz")
    op.execute(
        "COMMENT ON COLUMN clinicians.links_revoked_at IS "
        "'links in messages to this person that were issued up to then are dead; NULL: none is'"
    )
