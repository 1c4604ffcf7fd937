"""Let notifications go by WhatsApp and to tenants' own systems, and let operators be told of what was given up."""

from alembic import op

from migrations.tenancy import isolate

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    widen_channels()
    create_webhooks()
    create_notices()


def widen_channels() -> None:
    op.execute("""
ALTER TABLE notification_outbox
  DROP CONSTRAINT notification_outbox_channel_check,
  ADD CHECK (channel IN ('EMAIL', 'SMS', 'WHATSAPP', 'WEBHOOK'))
""")
    op.execute("""
ALTER TABLE tenants
  DROP CONSTRAINT tenants_at_least_once_check,
  ADD CHECK (at_least_once <@ ARRAY['EMAIL', 'SMS', 'WHATSAPP', 'WEBHOOK'])
""")
    # Not phone: a number is anybody's to write down, WhatsApp wants its owner's word before the first message.
    op.execute("ALTER TABLE clinicians ADD COLUMN whatsapp text CHECK (whatsapp ~ '^[+][1-9][0-9]{6,14}$')")
    op.execute(
        "COMMENT ON COLUMN clinicians.whatsapp IS "
        "'number at which this person agreed to be written to by WhatsApp; NULL: has not agreed'"
    )
    op.execute("CREATE INDEX clinicians_by_whatsapp ON clinicians (whatsapp) WHERE whatsapp IS NOT NULL")


def create_webhooks() -> None:
    # The secrets that sign lie in Secrets Manager, by the tenant's id.
    op.execute("""
CREATE TABLE tenant_webhooks (
  tenant_id    uuid        PRIMARY KEY REFERENCES tenants,
  url          text        NOT NULL CHECK (url ~ '^https?://[^[:space:]]+$'),
  disabled_at  timestamptz,
  updated_at   timestamptz NOT NULL
)
""")
    op.execute(
        "COMMENT ON COLUMN tenant_webhooks.disabled_at IS 'since the receiver answered that it wants no more (410)'"
    )
    isolate("tenant_webhooks")


def create_notices() -> None:
    op.execute("""
CREATE TABLE ops_notices (
  notice_id    uuid        PRIMARY KEY DEFAULT uuidv7(),
  tenant_id    uuid        NOT NULL REFERENCES tenants,
  kind         text        NOT NULL CHECK (kind IN ('GIVEN_UP', 'INSTEAD')),
  provider     text        NOT NULL CHECK (provider <> ''),
  until_seq    bigint      NOT NULL,
  counts       jsonb       NOT NULL CHECK (jsonb_typeof(counts) = 'array'),
  created_at   timestamptz NOT NULL,
  attempts     smallint    NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  lease_until  timestamptz,
  outcome      text        CHECK (outcome IN ('ACCEPTED', 'REJECTED', 'GIVEN_UP')),
  code         text,
  UNIQUE (tenant_id, kind, provider, until_seq)
)
""")
    for column, comment in {
        "kind": "GIVEN_UP: DEFERRED; INSTEAD: held back by a flag that says ops only",
        "until_seq": "of the audit log: what the notice counts ended there, so the next run cannot count it again",
        "counts": "[{event, reason, count, keys}]: ids and counts, nothing about a person",
        "lease_until": "until when whoever sends it is not disturbed; over, and no outcome: it is sent again",
    }.items():
        op.execute(f"COMMENT ON COLUMN ops_notices.{column} IS '{comment}'")
    op.execute(
        "CREATE INDEX ops_notices_unsettled ON ops_notices (created_at, notice_id) WHERE outcome IS NULL"
    )
    isolate("ops_notices", api="SELECT")
    # How far the audit log was read for them; what lies before this migration is history.
    op.execute("""
CREATE TABLE ops_cursor (
  alone      boolean PRIMARY KEY DEFAULT true CHECK (alone),
  until_seq  bigint  NOT NULL
)
""")
    op.execute("INSERT INTO ops_cursor (until_seq) SELECT coalesce(max(seq), 0) FROM audit_log")
    op.execute("GRANT SELECT, UPDATE ON ops_cursor TO nolapse_engine")
