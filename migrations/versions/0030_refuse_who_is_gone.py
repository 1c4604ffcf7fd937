"""Let nothing be attached to who was deleted or erased, also while that happens, and erasure leave no birthday behind."""

from alembic import op

revision = "0030"
down_revision = "0029"

# By table: its key, the columns that name people, and what is true of a row that still says something.
NAMES = {
    "licenses": ("license_id", ["clinician_id"], "deleted_at IS NULL"),
    "person_dates": ("person_date_id", ["clinician_id"], "on_date IS NOT NULL"),
    "medications": ("medication_id", ["clinician_id", "caregiver_id"], "deleted_at IS NULL"),
    "clinicians": ("clinician_id", ["supervisor_id"], "deleted_at IS NULL"),
}


def upgrade() -> None:
    create_refusal()
    for table, (key, columns, stands) in NAMES.items():
        for column in columns:
            watch(table, key, column, stands)
    # When somebody was told of a birthday or a dose says when it is.
    op.execute("GRANT DELETE ON notification_outbox TO nolapse_api")


def create_refusal() -> None:
    # SHARE: whoever deletes or erases a holder locks their row first, so that one of the two waits for the other. KEY SHARE, a
    # foreign key's own lock, lets both go on: enough for who is merely named, since who is gone is told of nothing, and an
    # import that has changed one of two people would meet an edit that names the other. FILTER and not WHERE: a condition would be asked before a row is locked.
    # EXECUTE: planned for as many rows as the statement has.
    op.execute("""
CREATE FUNCTION refuse_who_is_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  gone text;
BEGIN
  EXECUTE format('
    SELECT string_agg(CAST(clinician_id AS text), '', '') FILTER (WHERE deleted_at IS NOT NULL)
    FROM (SELECT clinician_id, deleted_at FROM clinicians WHERE clinician_id IN (%s) FOR %s) AS named', TG_ARGV[1], TG_ARGV[2])
  INTO gone;
  IF gone IS NOT NULL THEN
    RAISE EXCEPTION '% of % names who was deleted: %', TG_ARGV[0], TG_TABLE_NAME, gone
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'no_' || TG_ARGV[0] || '_is_gone';
  END IF;
  RETURN NULL;
END $$
""")


def watch(table: str, key: str, column: str, stands: str) -> None:
    """What was attached before somebody was deleted stays: only who is named anew must be there."""
    anew = (
        f"SELECT became.{column} FROM became JOIN was USING ({key}) WHERE became.{stands}"  # noqa: S608
        f" AND (became.{column} IS DISTINCT FROM was.{column} OR NOT was.{stands})"
    )
    strength = "SHARE" if column == "clinician_id" else "KEY SHARE"
    for event, seen, named in (
        ("INSERT", "NEW TABLE AS became", f"SELECT {column} FROM became"),  # noqa: S608
        ("UPDATE", "OLD TABLE AS was NEW TABLE AS became", anew),
    ):
        op.execute(f"""
CREATE TRIGGER {table}_{column}_is_not_gone_on_{event.lower()} AFTER {event} ON {table}
REFERENCING {seen} FOR EACH STATEMENT EXECUTE FUNCTION refuse_who_is_gone('{column}', '{named}', '{strength}')
""")
