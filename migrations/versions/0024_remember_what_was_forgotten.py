"""Remember until when the schedule was forgotten, for nobody to expect it again: each night would plan it anew."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.execute("""
CREATE TABLE schedule_anchor (
  alone     boolean     PRIMARY KEY DEFAULT true CHECK (alone),
  until_at  timestamptz NOT NULL
)
""")
    op.execute(
        "COMMENT ON TABLE schedule_anchor IS 'windows that opened before it were forgotten: nothing before it is expected'"
    )
    op.execute("INSERT INTO schedule_anchor (until_at) VALUES ('-infinity')")
    op.execute("GRANT SELECT, UPDATE (until_at) ON schedule_anchor TO nolapse_engine")
    op.execute("GRANT SELECT ON schedule_anchor TO nolapse_api")
