"""Let the API settle holds, decide about policies, take registers in, read the audit log, and serve the operator."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    let_staff_settle_holds()
    let_admins_decide_policies()
    let_registers_wait()
    name_the_operator()
    # In order of time, page by page: seq makes two entries of one instant tell apart.
    op.execute("DROP INDEX audit_log_by_tenant")
    op.execute("CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, at, seq)")
    op.execute("CREATE INDEX suppressions_by_time ON suppressions (tenant_id, since, suppression_id)")


def let_staff_settle_holds() -> None:
    # What a human's word settles of an attempt (settle_by_hand.sql), and nothing else of it.
    op.execute(
        "GRANT UPDATE (finished_at, code, outcome, provider_message_id) ON notification_outbox TO nolapse_api"
    )


def let_admins_decide_policies() -> None:
    op.execute("GRANT INSERT, DELETE ON schedule_shadow TO nolapse_api")
    # Public holidays, which are nobody's own: those of a calendar that a draft is the first to name.
    op.execute("GRANT INSERT, UPDATE, DELETE ON day_off TO nolapse_api")
    op.execute("CREATE INDEX renewal_policies_by_name ON renewal_policies (name, policy_id)")


def let_registers_wait() -> None:
    op.execute("""
ALTER TABLE imports
  ALTER sha256 DROP NOT NULL,
  DROP CONSTRAINT imports_status_check,
  DROP CONSTRAINT imports_check,
  ADD CONSTRAINT imports_status_check CHECK (status IN ('WAITING', 'RUNNING', 'DONE', 'FAILED')),
  ADD CONSTRAINT imports_check CHECK ((status IN ('WAITING', 'RUNNING')) = (finished_at IS NULL)),
  ADD CONSTRAINT what_runs_was_read CHECK (sha256 IS NOT NULL OR status IN ('WAITING', 'FAILED'))
""")
    op.execute("COMMENT ON COLUMN imports.status IS 'WAITING: for its register to be uploaded'")
    op.execute(
        "COMMENT ON COLUMN imports.counts IS 'while it runs how far it is: stage, rows, total; then what it did'"
    )
    op.execute(
        "GRANT INSERT (import_id, tenant_id, source_name, status, mapping, started_at) ON imports TO nolapse_api"
    )
    op.execute("DROP INDEX imports_by_tenant")
    op.execute("CREATE INDEX imports_by_tenant ON imports (tenant_id, started_at, import_id)")


def name_the_operator() -> None:
    op.execute("ALTER TABLE tenants ADD COLUMN is_operator boolean NOT NULL DEFAULT false")
    op.execute("CREATE UNIQUE INDEX tenants_one_operator ON tenants (is_operator) WHERE is_operator")
    op.execute(
        "COMMENT ON COLUMN tenants.is_operator IS 'who runs the platform: its Admins see to every tenant'"
    )
    op.execute("ALTER TABLE tenants ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now()")
    # Nobody makes themselves the operator.
    op.execute("REVOKE INSERT, UPDATE, DELETE ON tenants FROM nolapse_api")
    for privilege in ("INSERT (tenant_id, slug, name, timezone, contact_email, created_at, updated_at)",
                      "UPDATE (name, timezone, contact_email, updated_at)"):  # fmt: skip
        op.execute(f"GRANT {privilege} ON tenants TO nolapse_api")
    # By its owner's rights, so row-level security does not narrow it: it narrows itself.
    op.execute("""
CREATE VIEW visible_tenants AS
SELECT tenant_id, slug, name, timezone, contact_email, is_operator, created_at, updated_at
FROM tenants
CROSS JOIN LATERAL (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid AS of_session) AS session
WHERE tenant_id = of_session
  OR EXISTS (SELECT FROM tenants AS own WHERE own.tenant_id = of_session AND own.is_operator)
""")
    op.execute("COMMENT ON VIEW visible_tenants IS 'its own to a tenant, all to the operator'")
    op.execute("GRANT SELECT ON visible_tenants TO nolapse_api")
