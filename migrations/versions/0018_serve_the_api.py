"""Let the API serve edits: soft deletion, a physician's own records, a pace per principal, answers kept for repeats."""

from alembic import op

from migrations.tenancy import isolate

revision = "0018"
down_revision = "0017"

OF_ONE_PERSON = (
    "clinicians",
    "licenses",
    "person_dates",
    "medications",
    "notification_schedule",
    "schedule_shadow",
    "acknowledgements",
)


def upgrade() -> None:
    let_records_be_deleted()
    narrow_to_a_person()
    create_pace()
    create_idempotency()
    index_lists()
    op.execute("GRANT EXECUTE ON FUNCTION ensure_schedule_partitions TO nolapse_api")


def let_records_be_deleted() -> None:
    for table in ("clinicians", "licenses"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN deleted_at timestamptz")
        op.execute(
            f"COMMENT ON COLUMN {table}.deleted_at IS 'not shown any more, and no longer active; NULL: it is'"
        )
    op.execute(
        "ALTER TABLE clinicians ADD CONSTRAINT who_was_deleted_is_not_active "
        "CHECK (deleted_at IS NULL OR status <> 'ACTIVE')"
    )
    op.execute(
        "ALTER TABLE licenses ADD CONSTRAINT what_was_deleted_has_ended CHECK (deleted_at IS NULL OR status = 'ENDED')"
    )


def narrow_to_a_person() -> None:
    # RESTRICTIVE: beside the tenant's policy, not instead of it. Unset, it narrows nothing. CASE, since of an OR the
    # planner would expect that it lets one row in 200 through, and would rather sort a whole tenant than walk an index.
    for table in OF_ONE_PERSON:
        op.execute(f"""
CREATE POLICY own_person ON {table} AS RESTRICTIVE TO nolapse_api USING (
  CASE
    WHEN (SELECT NULLIF(current_setting('app.clinician_id', true), '')) IS NULL THEN true
    ELSE clinician_id = (SELECT NULLIF(current_setting('app.clinician_id', true), '')::uuid)
  END)
""")


def create_pace() -> None:
    # UNLOGGED: what a crash empties is one minute's count. One row per caller, overwritten every minute.
    op.execute("""
CREATE UNLOGGED TABLE api_pace (
  tenant_id  uuid        NOT NULL REFERENCES tenants,
  subject    text        NOT NULL,
  slot       timestamptz NOT NULL,
  used       integer     NOT NULL CHECK (used > 0),
  PRIMARY KEY (tenant_id, subject)
)
""")
    op.execute(
        "COMMENT ON COLUMN api_pace.subject IS 'who calls, as their token names them; empty: the whole tenant'"
    )
    isolate("api_pace", engine="SELECT, DELETE")


def create_idempotency() -> None:
    op.execute("""
CREATE TABLE idempotent_request (
  tenant_id       uuid        NOT NULL REFERENCES tenants,
  principal       text        NOT NULL CHECK (principal <> ''),
  key             text        NOT NULL CHECK (key <> ''),
  request_sha256  bytea       NOT NULL CHECK (octet_length(request_sha256) = 32),
  created_at      timestamptz NOT NULL,
  status          smallint,
  headers         jsonb,
  body            jsonb,
  PRIMARY KEY (tenant_id, principal, key)
)
""")
    op.execute("COMMENT ON COLUMN idempotent_request.request_sha256 IS 'of method, path and body'")
    op.execute(
        "COMMENT ON COLUMN idempotent_request.status IS 'NULL: still under way, in a transaction that is open'"
    )
    op.execute("CREATE INDEX idempotent_request_by_age ON idempotent_request (created_at)")
    isolate("idempotent_request", engine="SELECT, DELETE")


def index_lists() -> None:
    # What lists walk, each in the order that its sorting names.
    op.execute("CREATE INDEX clinicians_by_name ON clinicians (tenant_id, full_name, clinician_id)")
    op.execute("CREATE INDEX licenses_by_number ON licenses (tenant_id, license_number, license_id)")
    op.execute(
        "CREATE INDEX licenses_by_expiry ON licenses (tenant_id, (coalesce(expires_on, 'infinity')), license_id)"
    )
