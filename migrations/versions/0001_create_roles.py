"""Create the three roles, and let the owner own the schema.

nolapse_owner   owns every table; nobody logs in as it, migrations switch to it
nolapse_engine  the scheduled functions and dispatchers: every tenant's rows, row by row allowed by policy
nolapse_api     the API: only the rows of the tenant named in `app.tenant_id`

None of them is a superuser and none has BYPASSRLS, so row-level security binds all three. Passwords are
the operator's: they live in Secrets Manager and are set with ALTER ROLE outside of migrations.
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
DO $$
DECLARE
  wanted record;
BEGIN
  FOR wanted IN
    SELECT * FROM (VALUES ('nolapse_owner', 'NOLOGIN'), ('nolapse_engine', 'LOGIN'), ('nolapse_api', 'LOGIN'))
      AS roles (name, login)
  LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
      EXECUTE format('CREATE ROLE %I %s NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', wanted.name, wanted.login);
    END IF;
  END LOOP;
END $$
""")
    op.execute("GRANT nolapse_owner TO CURRENT_USER")
    op.execute("GRANT CREATE, USAGE ON SCHEMA public TO nolapse_owner")
    op.execute("GRANT USAGE ON SCHEMA public TO nolapse_engine, nolapse_api")
    op.execute("ALTER TABLE alembic_version OWNER TO nolapse_owner")
    op.execute("SET LOCAL ROLE nolapse_owner")
    op.execute("GRANT SELECT ON alembic_version TO nolapse_engine, nolapse_api")
