"""Whether the audit log is what was written: its hash chain, recomputed."""

from dataclasses import dataclass

from sqlalchemy import Connection

from nolapse.storage.statements import statement


@dataclass(frozen=True, slots=True)
class AuditChain:
    """`first_broken_seq`: the first entry that does not follow from those before it; None: all do."""

    entries: int
    first_broken_seq: int | None

    @property
    def holds(self) -> bool:
        return self.first_broken_seq is None


def verify_audit(connection: Connection) -> AuditChain:
    """Recompute the whole chain, as a role that sees every tenant's entries.

    Entries cut off at the end leave a chain that holds, only shorter: keep `entries` somewhere else to see that.
    """
    entries, first_broken_seq = connection.execute(statement("verify_audit")).one()
    return AuditChain(entries, first_broken_seq)
