"""What every change of a policy's versions begins and ends with: the lock, and the audit log."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

APPEND = text("""
SELECT append_audit(ARRAY[tenant_id], ARRAY[CAST(:now AS timestamptz)], :action, ARRAY['policy:' || policy_id],
  ARRAY[CAST(:former AS text)], ARRAY[CAST(:version AS text)], ARRAY[name])
FROM renewal_policies WHERE policy_id = :policy_id
""")


def lock(connection: Connection) -> None:
    """One change of versions at a time; taken before the planner's and the audit log's locks."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('policies'))"))


def record(
    connection: Connection,
    action: str,
    policy_id: UUID,
    *,
    former: int | None,
    version: int | None,
    now: datetime,
) -> None:
    """`former` and `version` are what was and what is now; None: no version of this policy."""
    connection.execute(
        APPEND,
        {
            "action": f"policy.{action}",
            "policy_id": policy_id,
            "former": former and f"v{former}",
            "version": version and f"v{version}",
            "now": now,
        },
    )
