"""Create tenants, clinicians and licenses: who holds what, and until when."""

from alembic import op

from migrations.tenancy import isolate

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
CREATE TABLE tenants (
  tenant_id      uuid PRIMARY KEY DEFAULT uuidv7(),
  slug           text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name           text NOT NULL CHECK (name <> ''),
  timezone       text NOT NULL CHECK (timezone <> ''),
  contact_email  text NOT NULL CHECK (contact_email LIKE '%_@_%'),
  created_at     timestamptz NOT NULL DEFAULT now()
)
""")
    op.execute(
        "COMMENT ON COLUMN tenants.contact_email IS 'told in place of a clinician who has no e-mail address'"
    )
    op.execute("""
CREATE TABLE clinicians (
  clinician_id  uuid PRIMARY KEY DEFAULT uuidv7(),
  tenant_id     uuid NOT NULL REFERENCES tenants,
  external_id   text NOT NULL CHECK (external_id <> ''),
  role          text NOT NULL DEFAULT 'CLINICIAN' CHECK (role IN ('CLINICIAN', 'SUPERVISOR', 'STAFF')),
  full_name     text NOT NULL CHECK (full_name <> ''),
  email         text CHECK (email LIKE '%_@_%'),
  phone         text CHECK (phone ~ '^[+][1-9][0-9]{6,14}$'),
  timezone      text CHECK (timezone <> ''),
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, external_id),
  UNIQUE (tenant_id, clinician_id)
)
""")
    op.execute(
        "COMMENT ON COLUMN clinicians.external_id IS 'what the tenant''s own systems call this person'"
    )
    op.execute("COMMENT ON COLUMN clinicians.timezone IS 'IANA zone; NULL means the tenant''s'")
    # expires_on stays inside the years that zone_offset covers with every lead and past-due step.
    op.execute("""
CREATE TABLE licenses (
  license_id       uuid PRIMARY KEY DEFAULT uuidv7(),
  tenant_id        uuid NOT NULL REFERENCES tenants,
  clinician_id     uuid NOT NULL,
  license_type     text NOT NULL CHECK (license_type <> ''),
  state            text CHECK (state <> ''),
  license_number   text NOT NULL CHECK (license_number <> ''),
  expires_on       date CHECK (expires_on BETWEEN '1970-01-01' AND '2099-12-31'),
  status           text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'ENDED')),
  register_status  text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, clinician_id) REFERENCES clinicians (tenant_id, clinician_id),
  UNIQUE NULLS NOT DISTINCT (tenant_id, license_number, license_type, state),
  UNIQUE (tenant_id, license_id)
)
""")
    op.execute("CREATE INDEX licenses_by_clinician ON licenses (tenant_id, clinician_id)")
    op.execute("COMMENT ON COLUMN licenses.expires_on IS 'NULL: perpetual, calls for no reminder'")
    op.execute(
        "COMMENT ON COLUMN licenses.status IS 'ENDED: surrendered, revoked, holder deceased: no reminder'"
    )
    for table in ("tenants", "clinicians", "licenses"):
        isolate(table)
