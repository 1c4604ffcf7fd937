"""Create renewal policies and their versions, with the platform's default."""

from alembic import op

from migrations.tenancy import isolate

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
CREATE TABLE renewal_policies (
  policy_id     uuid PRIMARY KEY DEFAULT uuidv7(),
  tenant_id     uuid REFERENCES tenants,
  license_type  text CHECK (license_type <> ''),
  state         text CHECK (state <> ''),
  name          text NOT NULL CHECK (name <> ''),
  UNIQUE NULLS NOT DISTINCT (tenant_id, license_type, state),
  UNIQUE (tenant_id, policy_id)
)
""")
    op.execute("COMMENT ON TABLE renewal_policies IS 'NULL in tenant_id, license_type or state: any'")
    # The second foreign key keeps a tenant from adding a version to the platform's policy or to another tenant's;
    # the first still holds where tenant_id is NULL.
    op.execute("""
CREATE TABLE policy_version (
  policy_id     uuid NOT NULL REFERENCES renewal_policies,
  version       integer NOT NULL CHECK (version > 0),
  tenant_id     uuid REFERENCES tenants,
  status        text NOT NULL CHECK (status IN ('DRAFT', 'ACTIVE', 'RETIRED')),
  steps         jsonb NOT NULL CHECK (jsonb_typeof(steps) = 'array'),
  opens         time NOT NULL DEFAULT '08:00',
  closes        time NOT NULL DEFAULT '12:00',
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (policy_id, version),
  FOREIGN KEY (tenant_id, policy_id) REFERENCES renewal_policies (tenant_id, policy_id),
  CHECK (opens < closes)
)
""")
    op.execute("CREATE INDEX policy_version_by_tenant ON policy_version (tenant_id, policy_id)")
    op.execute(
        "CREATE UNIQUE INDEX policy_version_one_active ON policy_version (policy_id) WHERE status = 'ACTIVE'"
    )
    op.execute(
        "COMMENT ON COLUMN policy_version.steps IS '[{event, days, template}], days before (-) or after (+) the date'"
    )
    op.execute(
        "COMMENT ON COLUMN policy_version.opens IS 'local time of the recipient; the window is [opens, closes)'"
    )
    for table in ("renewal_policies", "policy_version"):
        isolate(table, shared_rows=True)
    op.execute("""
WITH fallback AS (
  INSERT INTO renewal_policies (name) VALUES ('default') RETURNING policy_id
)
INSERT INTO policy_version (policy_id, version, status, steps)
SELECT policy_id, 1, 'ACTIVE', '[
  {"event": "PRIMARY",   "days": -90, "template": "primary"},
  {"event": "SECONDARY", "days": -30, "template": "secondary"},
  {"event": "PAST_DUE",  "days":   7, "template": "past_due"}
]'
FROM fallback
""")
