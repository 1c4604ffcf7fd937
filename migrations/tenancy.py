"""Row-level security for a table that holds tenants' rows: said once, used by every migration."""

from alembic import op

# After a transaction that set it, current_setting gives '' instead of NULL: NULLIF keeps '' from being cast.
CURRENT_TENANT = "NULLIF(current_setting('app.tenant_id', true), '')::uuid"
EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"


def isolate(
    table: str, *, api: str = EVERYTHING, engine: str = EVERYTHING, shared_rows: bool = False
) -> None:
    """Force row-level security on `table`: the API sees its tenant's rows, the engine and the owner see all.

    `api` and `engine` list the privileges of those roles; `shared_rows` lets every tenant read rows without a
    tenant (the platform's default policies).
    """
    visible = f"tenant_id = {CURRENT_TENANT}"
    readable = f"{visible} OR tenant_id IS NULL" if shared_rows else visible
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY engine ON {table} TO nolapse_engine, nolapse_owner USING (true) WITH CHECK (true)",
        f"CREATE POLICY tenant_reads ON {table} FOR SELECT TO nolapse_api USING ({readable})",
        f"CREATE POLICY tenant_writes ON {table} TO nolapse_api USING ({visible}) WITH CHECK ({visible})",
        f"GRANT {engine} ON {table} TO nolapse_engine",
        f"GRANT {api} ON {table} TO nolapse_api",
    ):
        op.execute(statement)
