"""Let a tenant have senders of its own, and a pace of its own, instead of the stack's."""

from alembic import op

from migrations.tenancy import isolate

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    create_senders()
    give_tenants_a_pace()


def create_senders() -> None:
    # In lower case: a mailbox has one pace, however it is spelled. That of 30 is Exchange Online's message rate limit:
    # https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits
    op.execute("""
CREATE TABLE senders (
  sender_id            uuid        PRIMARY KEY DEFAULT uuidv7(),
  tenant_id            uuid        NOT NULL REFERENCES tenants,
  provider             text        NOT NULL
    CHECK (provider IN ('graph', 'sendgrid', 'mailgun', 'twilio-sms', 'twilio-whatsapp')),
  address              text        NOT NULL,
  messages_per_minute  integer     CHECK (messages_per_minute > 0),
  status               text        NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'RETIRED')),
  created_at           timestamptz NOT NULL,
  updated_at           timestamptz NOT NULL,
  CONSTRAINT an_address_is_its_provider_s CHECK (
    CASE WHEN provider IN ('twilio-sms', 'twilio-whatsapp') THEN address ~ '^[+][1-9][0-9]{6,14}$'
      ELSE address LIKE '%_@_%' AND address = lower(address) END),
  CONSTRAINT a_mailbox_sends_30_a_minute CHECK (provider <> 'graph' OR messages_per_minute <= 30)
)
""")
    op.execute(
        "COMMENT ON TABLE senders IS 'in whose name a tenant''s messages leave, instead of the stack''s'"
    )
    for column, comment in {
        "address": "mailbox, from-address or number, as the vendor knows it",
        "messages_per_minute": "NULL: as many as a sender of that provider may",
        "status": "RETIRED: nothing leaves by it; what it sent can still be asked about",
    }.items():
        op.execute(f"COMMENT ON COLUMN senders.{column} IS '{comment}'")
    # What dispatchers walk, and what no two may share.
    op.execute("""
CREATE UNIQUE INDEX senders_in_use ON senders (tenant_id, provider, address) WHERE status = 'ACTIVE'
""")
    op.execute("CREATE INDEX senders_by_tenant ON senders (tenant_id, sender_id)")
    isolate("senders", engine="SELECT")


def give_tenants_a_pace() -> None:
    op.execute("ALTER TABLE tenants ADD COLUMN messages_per_minute integer CHECK (messages_per_minute > 0)")
    op.execute(
        "COMMENT ON COLUMN tenants.messages_per_minute IS 'by all channels together; NULL: what the stack lets every tenant'"
    )
    op.execute("GRANT INSERT (messages_per_minute), UPDATE (messages_per_minute) ON tenants TO nolapse_api")
    op.execute("""
CREATE OR REPLACE VIEW visible_tenants AS
SELECT tenant_id, slug, name, timezone, contact_email, is_operator, created_at, updated_at, messages_per_minute
FROM tenants
CROSS JOIN LATERAL (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid AS of_session) AS session
WHERE tenant_id = of_session
  OR EXISTS (SELECT FROM tenants AS own WHERE own.tenant_id = of_session AND own.is_operator)
""")
