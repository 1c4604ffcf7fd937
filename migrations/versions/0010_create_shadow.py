"""Let a draft of a policy be judged beside the active version, and give every tenant birthdays and anniversaries."""

from alembic import op

from migrations.tenancy import isolate

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    order_versions()
    create_shadow()
    add_yearly_defaults()


def order_versions() -> None:
    op.execute("""
ALTER TABLE policy_version
  ADD COLUMN former_version integer CHECK (former_version < version),
  ADD FOREIGN KEY (policy_id, former_version) REFERENCES policy_version
""")
    op.execute(
        "COMMENT ON COLUMN policy_version.former_version IS "
        "'the one that this took over from, and that a rollback returns to; NULL: a more general policy'"
    )
    op.execute("CREATE INDEX policy_version_by_former ON policy_version (policy_id, former_version)")
    op.execute(
        "CREATE UNIQUE INDEX policy_version_one_draft ON policy_version (policy_id) WHERE status = 'DRAFT'"
    )
    op.execute(
        "UPDATE policy_version SET activated_at = created_at WHERE status = 'ACTIVE' AND activated_at IS NULL"
    )


def create_shadow() -> None:
    # UNLOGGED: what a crash empties, the next diff computes again.
    op.execute("""
CREATE UNLOGGED TABLE schedule_shadow (
  policy_id       uuid        NOT NULL,
  policy_version  integer     NOT NULL,
  side            text        NOT NULL CHECK (side IN ('ACTIVE', 'DRAFT')),
  tenant_id       uuid        NOT NULL REFERENCES tenants,
  clinician_id    uuid        NOT NULL,
  subject_id      uuid        NOT NULL,
  occurrence      text        NOT NULL,
  event           text        NOT NULL,
  template        text        NOT NULL,
  channels        text[]      NOT NULL,
  zone            text        NOT NULL,
  scheduled_at    timestamptz NOT NULL,
  window_end      timestamptz NOT NULL,
  FOREIGN KEY (policy_id, policy_version) REFERENCES policy_version
)
""")
    op.execute(
        "COMMENT ON TABLE schedule_shadow IS "
        "'what the dates under one draft call for by it (DRAFT) and by what is active now (ACTIVE)'"
    )
    op.execute("COMMENT ON COLUMN schedule_shadow.policy_version IS 'the draft, on both sides'")
    op.execute("CREATE INDEX schedule_shadow_by_draft ON schedule_shadow (policy_id, policy_version, side)")
    op.execute("CREATE INDEX schedule_shadow_by_tenant ON schedule_shadow (tenant_id)")
    isolate("schedule_shadow", api="SELECT")


def add_yearly_defaults() -> None:
    op.execute("""
WITH given (occasion, name) AS (
  VALUES ('BIRTHDAY', 'birthday'), ('ANNIVERSARY', 'anniversary')
),
made AS (
  INSERT INTO renewal_policies (occasion, name) SELECT occasion, name FROM given RETURNING policy_id, occasion, name
)
INSERT INTO policy_version (policy_id, version, status, opens, closes, activated_at, steps)
SELECT policy_id, 1, 'ACTIVE', '09:00', '12:00', now(), jsonb_build_array(jsonb_build_object(
  'event', occasion, 'days', 0, 'template', name,
  'channels', jsonb_build_array('EMAIL'), 'recipients', jsonb_build_array('HOLDER')))
FROM made
""")
