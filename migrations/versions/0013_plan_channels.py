"""Let a notification go by several channels and providers: what was tried, what is broken, how fast one may send."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    remember_what_left()
    create_circuits()
    create_pace()
    op.execute("INSERT INTO notification_transition (from_status, to_status) VALUES ('QUEUED', 'DEFERRED')")


def remember_what_left() -> None:
    op.execute("""
ALTER TABLE notification_outbox
  DROP CONSTRAINT notification_outbox_channel_check,
  ADD CHECK (channel IN ('EMAIL', 'SMS')),
  DROP CONSTRAINT notification_outbox_outcome_check,
  ADD CHECK (outcome IN ('ACCEPTED', 'REJECTED', 'RETRY_SAFE', 'UNKNOWN', 'NOT_FOUND', 'UNPROVEN')),
  ADD COLUMN sender text CHECK (sender <> ''),
  ADD COLUMN body_sha256 bytea CHECK (octet_length(body_sha256) = 32),
  ADD COLUMN handle text CHECK (handle <> ''),
  ADD COLUMN probes smallint NOT NULL DEFAULT 0 CHECK (probes >= 0)
""")
    for column, comment in {
        "outcome": "NULL while in flight; NOT_FOUND: was UNKNOWN, and the provider knows no such message; "
        "UNPROVEN: asking did not settle it, and the tenant wants it sent again",
        "sender": "the mailbox or number that it left from",
        "body_sha256": "of the text body: what a provider without keys is searched for",
        "handle": "what the vendor had called it before its answer was lost",
        "probes": "how often the provider was asked in vain",
    }.items():
        op.execute(f"COMMENT ON COLUMN notification_outbox.{column} IS '{comment}'")
    op.execute("""
ALTER TABLE notification_schedule
  ADD COLUMN channel_position smallint NOT NULL DEFAULT 1,
  ADD COLUMN retry_count smallint NOT NULL DEFAULT 0,
  ADD CONSTRAINT a_channel_is_tried CHECK (channel_position BETWEEN 1 AND cardinality(channels)),
  ADD CONSTRAINT retries_are_counted CHECK (retry_count >= 0)
""")
    op.execute(
        "COMMENT ON COLUMN notification_schedule.channel_position IS 'which of channels is tried, from 1'"
    )
    op.execute(
        "COMMENT ON COLUMN notification_schedule.retry_count IS "
        "'how often all providers of that channel were out of reach'"
    )
    op.execute("""
ALTER TABLE tenants
  ADD COLUMN at_least_once text[] NOT NULL DEFAULT '{}' CHECK (at_least_once <@ ARRAY['EMAIL', 'SMS'])
""")
    op.execute(
        "COMMENT ON COLUMN tenants.at_least_once IS "
        "'channels on which a message is sent again when no probe can tell whether it left; on others a human decides'"
    )


def create_circuits() -> None:
    op.execute("""
CREATE TABLE provider_circuit (
  provider    text        PRIMARY KEY CHECK (provider <> ''),
  state       text        NOT NULL DEFAULT 'CLOSED' CHECK (state IN ('CLOSED', 'OPEN', 'HALF_OPEN')),
  failures    integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
  openings    integer     NOT NULL DEFAULT 0 CHECK (openings >= 0),
  retry_at    timestamptz,
  changed_at  timestamptz NOT NULL,
  CONSTRAINT what_is_not_closed_is_tried_again CHECK ((state = 'CLOSED') = (retry_at IS NULL))
)
""")
    op.execute("COMMENT ON COLUMN provider_circuit.failures IS 'in a row'")
    op.execute("COMMENT ON COLUMN provider_circuit.openings IS 'in a row: each lasts twice as long'")
    op.execute(
        "COMMENT ON COLUMN provider_circuit.retry_at IS "
        "'OPEN: when one message may try it; HALF_OPEN: when that try is given up for lost'"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON provider_circuit TO nolapse_engine")
    op.execute("GRANT SELECT ON provider_circuit TO nolapse_api")


def create_pace() -> None:
    op.execute("""
CREATE TABLE sending_pace (
  subject  text        NOT NULL CHECK (subject <> ''),
  slot     timestamptz NOT NULL,
  used     integer     NOT NULL CHECK (used >= 0),
  PRIMARY KEY (subject, slot)
)
""")
    op.execute(
        "COMMENT ON TABLE sending_pace IS 'messages by limit (mailbox:…, channel:…, tenant:…, person:…) and minute or day'"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON sending_pace TO nolapse_engine")
