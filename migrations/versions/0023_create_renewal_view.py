"""Create license_renewal_view: every licence with what was and will be told about it, to list and to sort by risk.

A materialised view has no row-level security. Nobody who serves may read it but through `license_renewals`, which
shows the rows of the tenant, and of the person, that the transaction is for.
"""

from alembic import op

from migrations.tenancy import CURRENT_TENANT

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    create_view()
    show_own_rows()


def create_view() -> None:
    op.execute("""
CREATE MATERIALIZED VIEW license_renewal_view AS
SELECT
  licenses.tenant_id, licenses.license_id, licenses.clinician_id, license_type, state, expires_on, licenses.status,
  licenses.status = 'ACTIVE' AND clinicians.status = 'ACTIVE' AND expires_on IS NOT NULL AS counts,
  next_notification_at,
  coalesce(told, false) AS told,
  coalesce(failed, false) OR num_nonnulls(email, phone, whatsapp) = 0 AS unreached,
  answer
FROM licenses
JOIN clinicians USING (tenant_id, clinician_id)
LEFT JOIN (
  SELECT
    license_id, occurrence,
    min(scheduled_at) FILTER (WHERE status IN ('PENDING', 'LATE_PENDING', 'QUEUED')) AS next_notification_at,
    bool_or(status IN ('SENT', 'DELIVERED')) AS told,
    (array_agg(status ORDER BY scheduled_at DESC)
      FILTER (WHERE status IN ('SENT', 'DELIVERED', 'BOUNCED', 'DEFERRED')))[1] IN ('BOUNCED', 'DEFERRED') AS failed
  FROM notification_schedule
  WHERE license_id IS NOT NULL
  GROUP BY license_id, occurrence
) AS said ON (said.license_id, said.occurrence) = (licenses.license_id, to_char(expires_on, 'YYYY-MM-DD'))
LEFT JOIN (
  SELECT DISTINCT ON (license_id, occurrence) license_id, occurrence, answer
  FROM acknowledgements
  ORDER BY license_id, occurrence, at DESC
) AS answered ON (answered.license_id, answered.occurrence) = (licenses.license_id, to_char(expires_on, 'YYYY-MM-DD'))
WHERE licenses.deleted_at IS NULL
""")
    for column, comment in {
        "counts": "an active licence of an active person, with a date to run out",
        "told": "a reminder of this date left, and did not come back",
        "unreached": "the last that was tried reached nobody, or there is no address",
        "answer": "the last one about this date",
    }.items():
        op.execute(f"COMMENT ON COLUMN license_renewal_view.{column} IS '{comment}'")
    # Unique: what REFRESH … CONCURRENTLY compares by.
    op.execute(
        "CREATE UNIQUE INDEX license_renewal_view_by_license ON license_renewal_view (tenant_id, license_id)"
    )
    op.execute("GRANT SELECT, MAINTAIN ON license_renewal_view TO nolapse_engine")


def show_own_rows() -> None:
    op.execute(f"""
CREATE VIEW license_renewals WITH (security_barrier) AS
SELECT * FROM license_renewal_view
WHERE tenant_id = (SELECT {CURRENT_TENANT})
  AND ((SELECT NULLIF(current_setting('app.clinician_id', true), '')) IS NULL
    OR clinician_id = (SELECT NULLIF(current_setting('app.clinician_id', true), '')::uuid))
""")  # noqa: S608
    op.execute("GRANT SELECT ON license_renewals TO nolapse_api")
    # What depends on the day is computed as it is read. The formula: docs/architecture.md#renewals.
    op.execute("""
CREATE FUNCTION renewals_on(today date) RETURNS TABLE (
  license_id uuid, clinician_id uuid, license_type text, state text, expires_on date, status text,
  days_to_expiry integer, next_notification_at timestamptz, answer text, risk_score integer)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT
    license_id, clinician_id, license_type, state, expires_on, status, expires_on - today, next_notification_at, answer,
    CASE WHEN counts THEN least(100,
      60 * (90 - least(greatest(expires_on - today, 0), 90)) / 90
        / CASE WHEN answer IN ('RENEWED', 'IN_PROGRESS') THEN 2 ELSE 1 END
      + CASE WHEN unreached THEN 20 ELSE 0 END
      + CASE WHEN told AND answer IS NULL THEN 20 ELSE 0 END)
    ELSE 0 END
  FROM license_renewals;
END
""")
    op.execute("REVOKE ALL ON FUNCTION renewals_on FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION renewals_on TO nolapse_api")
