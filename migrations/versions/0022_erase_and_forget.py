"""Let people be erased and what is old be forgotten: the audit chain begins at an anchor, months of the schedule go."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    let_people_be_erased()
    anchor_the_audit_log()
    forget_the_schedule()
    forget_the_rest()


def let_people_be_erased() -> None:
    op.execute("ALTER TABLE clinicians ADD COLUMN erased_at timestamptz")
    op.execute(
        "COMMENT ON COLUMN clinicians.erased_at IS 'since when nothing here says who it was; NULL: it does'"
    )
    op.execute("""
ALTER TABLE clinicians ADD CONSTRAINT who_was_erased_stays_so CHECK (
  erased_at IS NULL OR (deleted_at IS NOT NULL AND num_nonnulls(email, phone, whatsapp, timezone, supervisor_id) = 0))
""")
    # All that the API may change of an attempt: who it went to, and the hash of what it said.
    op.execute("GRANT UPDATE (recipient, body_sha256) ON notification_outbox TO nolapse_api")


def anchor_the_audit_log() -> None:
    op.execute("""
CREATE TABLE audit_anchor (
  alone      boolean PRIMARY KEY DEFAULT true CHECK (alone),
  until_seq  bigint  NOT NULL,
  hash       bytea   NOT NULL
)
""")
    op.execute(
        "COMMENT ON TABLE audit_anchor IS 'the last entry that was forgotten: the chain goes on from its hash'"
    )
    op.execute("INSERT INTO audit_anchor (until_seq, hash) VALUES (0, '')")
    op.execute("GRANT SELECT ON audit_anchor TO nolapse_engine, nolapse_api")
    op.execute("DROP TRIGGER audit_log_append_only ON audit_log")
    op.execute("""
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""")
    op.execute("""
CREATE FUNCTION refuse_gaps() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM removed) OR (SELECT max(seq) FROM removed) > (SELECT until_seq FROM audit_anchor) THEN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$
""")
    op.execute("""
CREATE TRIGGER audit_log_keeps_what_follows_its_anchor AFTER DELETE ON audit_log
REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION refuse_gaps()
""")
    # Up to the first entry that is younger, and never the newest: the chain's end stays where it can be read.
    op.execute("""
CREATE FUNCTION forget_audit(before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  cut       bigint;
  forgotten bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('audit_log'));
  SELECT least(
    (SELECT max(seq) FROM audit_log) - 1,
    (SELECT seq - 1 FROM audit_log WHERE at >= before ORDER BY seq LIMIT 1)) INTO cut;
  IF cut IS NULL OR cut <= (SELECT until_seq FROM audit_anchor) THEN
    RETURN 0;
  END IF;
  UPDATE audit_anchor SET until_seq = cut, hash = (SELECT hash FROM audit_log WHERE seq = cut);
  DELETE FROM audit_log WHERE seq <= cut;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$
""")
    op.execute("REVOKE ALL ON FUNCTION forget_audit FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION forget_audit TO nolapse_engine")


def forget_the_schedule() -> None:
    # A month that holds anything unsettled stays as a whole.
    op.execute("""
CREATE FUNCTION forget_schedule(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
  leaf     text;
  is_open  boolean;
  dropped  integer := 0;
BEGIN
  FOR leaf IN
    SELECT relname
    FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'notification_schedule'::regclass AND relname ~ '_[0-9]{4}_[0-9]{2}$'
      AND to_date(right(relname, 7), 'YYYY_MM') + interval '1 month' <= before
    ORDER BY relname
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE status = ANY ($1))', leaf)
    INTO is_open USING ARRAY['PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN', 'HELD'];
    CONTINUE WHEN is_open;
    EXECUTE format('DROP TABLE %I', leaf);
    dropped := dropped + 1;
  END LOOP;
  DELETE FROM notification_schedule_past
  WHERE scheduled_at < before
    AND status NOT IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN', 'HELD');
  RETURN dropped;
END $$
""")
    op.execute("REVOKE ALL ON FUNCTION forget_schedule FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION forget_schedule TO nolapse_engine")


def forget_the_rest() -> None:
    op.execute("GRANT DELETE ON acknowledgements TO nolapse_engine")
    # Written in order of time: a few pages say where a year ends.
    op.execute("CREATE INDEX notification_outbox_by_start ON notification_outbox USING brin (started_at)")
    op.execute("CREATE INDEX acknowledgements_by_time ON acknowledgements USING brin (at)")
