"""Create imports: which register was imported when, how it was read, and what came of it."""

from alembic import op

from migrations.tenancy import isolate

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
CREATE TABLE imports (
  import_id    uuid        PRIMARY KEY DEFAULT uuidv7(),
  tenant_id    uuid        REFERENCES tenants,
  source_name  text        NOT NULL CHECK (source_name <> ''),
  sha256       bytea       NOT NULL CHECK (octet_length(sha256) = 32),
  status       text        NOT NULL CHECK (status IN ('RUNNING', 'DONE', 'FAILED')),
  mapping      jsonb       NOT NULL CHECK (jsonb_typeof(mapping) = 'object'),
  date_order   text        CHECK (date_order IN ('month-first', 'day-first', 'year-first')),
  counts       jsonb       NOT NULL DEFAULT '{}',
  failure      text,
  started_at   timestamptz NOT NULL,
  finished_at  timestamptz,
  CHECK ((status = 'RUNNING') = (finished_at IS NULL)),
  CHECK ((status = 'FAILED') = (failure IS NOT NULL))
)
""")
    op.execute("CREATE INDEX imports_by_tenant ON imports (tenant_id, started_at DESC)")
    op.execute("COMMENT ON COLUMN imports.tenant_id IS 'NULL: the register names the tenant of every row'")
    op.execute("COMMENT ON COLUMN imports.mapping IS 'field: [columns], or =text for one text in every row'")
    op.execute("COMMENT ON COLUMN imports.failure IS 'the kind of error, without a value from any row'")
    isolate("imports", api="SELECT")
