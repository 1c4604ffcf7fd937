"""Create audit_log: append-only, hash-chained, and written by the database itself on every transition.

Each row's hash covers the row and the hash before it, so a changed, removed or inserted row breaks every
hash after it. One transaction-level advisory lock orders the writers; it is held from the write to the commit.
"""

from alembic import op

from migrations.tenancy import isolate

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    create_log()
    create_chain()
    audit_transitions()


def create_log() -> None:
    op.execute("""
CREATE TABLE audit_log (
  seq          bigint      PRIMARY KEY,
  tenant_id    uuid        REFERENCES tenants,
  at           timestamptz NOT NULL,
  actor        text        NOT NULL,
  action       text        NOT NULL,
  subject      text        NOT NULL,
  from_status  text,
  to_status    text,
  reason       text,
  hash         bytea       NOT NULL
)
""")
    op.execute("CREATE INDEX audit_log_by_subject ON audit_log (subject)")
    op.execute("CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, at)")
    isolate("audit_log", api="SELECT", engine="SELECT")
    op.execute("""
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$
""")
    op.execute("""
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""")


def create_chain() -> None:
    # pg_temp last in every search_path of a SECURITY DEFINER function: unnamed, it would come first, and a caller's
    # temporary table would stand in for ours (https://www.postgresql.org/docs/18/sql-createfunction.html).
    op.execute("""
CREATE FUNCTION audit_link(state bytea, previous bytea, entry text) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(coalesce(state, previous) || convert_to(entry, 'UTF8'))
""")
    op.execute("CREATE AGGREGATE audit_chain(bytea, text) (SFUNC = audit_link, STYPE = bytea)")
    op.execute("""
CREATE FUNCTION audit_entry(
  seq bigint, tenant_id uuid, at timestamptz, actor text, action text, subject text,
  from_status text, to_status text, reason text
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_array(seq, tenant_id, extract(epoch FROM at), actor, action, subject, from_status, to_status, reason)::text
""")
    op.execute("""
CREATE FUNCTION append_audit(
  tenants uuid[], times timestamptz[], action text, subjects text[], froms text[], tos text[], reasons text[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  last record;
  who  text := coalesce(nullif(current_setting('app.actor', true), ''), session_user);
BEGIN
  -- the owner writes, so row-level security does not: the API speaks for its own tenant only
  IF session_user = 'nolapse_api' AND EXISTS (
    SELECT FROM unnest(tenants) AS given (tenant_id)
    WHERE given.tenant_id IS DISTINCT FROM NULLIF(current_setting('app.tenant_id', true), '')::uuid
  ) THEN
    RAISE EXCEPTION 'an audit entry for another tenant' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('audit_log'));
  -- a statement of its own, hence a snapshot taken after the lock: the true end of the chain
  SELECT coalesce(max(seq), 0) AS seq INTO last FROM audit_log;
  INSERT INTO audit_log (seq, tenant_id, at, actor, action, subject, from_status, to_status, reason, hash)
  SELECT
    seq, tenant_id, at, who, append_audit.action, subject, from_status, to_status, reason,
    audit_chain(
      coalesce((SELECT hash FROM audit_log WHERE audit_log.seq = last.seq), ''::bytea),
      audit_entry(seq, tenant_id, at, who, append_audit.action, subject, from_status, to_status, reason)
    ) OVER (ORDER BY seq)
  FROM (
    SELECT last.seq + ordinality AS seq, tenant_id, at, subject, from_status, to_status, reason
    FROM unnest(tenants, times, subjects, froms, tos, reasons)
      WITH ORDINALITY AS entry (tenant_id, at, subject, from_status, to_status, reason, ordinality)
  ) AS entries;
END $$
""")
    op.execute("REVOKE ALL ON FUNCTION append_audit FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION append_audit TO nolapse_engine, nolapse_api")


def audit_transitions() -> None:
    op.execute("""
CREATE FUNCTION audit_notification_transitions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  changed record;
BEGIN
  SELECT
    array_agg(became.tenant_id ORDER BY became.idempotency_key)                                         AS tenants,
    array_agg(became.updated_at ORDER BY became.idempotency_key)                                        AS times,
    array_agg('notification:' || encode(became.idempotency_key, 'hex') ORDER BY became.idempotency_key) AS subjects,
    array_agg(was.status ORDER BY became.idempotency_key)                                               AS froms,
    array_agg(became.status ORDER BY became.idempotency_key)                                            AS tos,
    array_agg(became.reason ORDER BY became.idempotency_key)                                            AS reasons,
    min(was.status || ' to ' || became.status) FILTER (WHERE legal.to_status IS NULL)                   AS illegal
  INTO changed
  FROM was
  JOIN became USING (idempotency_key, scheduled_at)
  LEFT JOIN notification_transition AS legal ON (legal.from_status, legal.to_status) = (was.status, became.status)
  WHERE was.status <> became.status;
  IF changed.illegal IS NOT NULL THEN
    RAISE EXCEPTION 'a notification cannot go from %', changed.illegal USING ERRCODE = 'check_violation';
  END IF;
  IF changed.tenants IS NOT NULL THEN
    PERFORM append_audit(changed.tenants, changed.times, 'notification.transition',
      changed.subjects, changed.froms, changed.tos, changed.reasons);
  END IF;
  RETURN NULL;
END $$
""")
    op.execute("""
CREATE TRIGGER notification_transitions AFTER UPDATE ON notification_schedule
REFERENCING OLD TABLE AS was NEW TABLE AS became
FOR EACH STATEMENT EXECUTE FUNCTION audit_notification_transitions()
""")
