"""A person erased: what waits for them dropped, who they were overwritten, what happened kept under an id.

What was told of a birthday, an anniversary or a dose says by its time alone what is to be forgotten: it is deleted.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from nolapse.domain.errors import NolapseError
from nolapse.planning.edits import Rescheduled, reschedule
from nolapse.planning.plan import Bounds
from nolapse.storage.personal import person_ids, pseudonymise, remove
from nolapse.storage.statements import statement


class StillUnderWay(NolapseError):
    """An attempt that is under way is proved by its address: it must be over first."""

    def __init__(self, clinician_id: UUID) -> None:
        super().__init__(
            f"a message about {clinician_id} is under way: erase again once it has arrived or failed"
        )
        self.clinician_id = clinician_id


@dataclass(frozen=True, slots=True)
class Erased:
    """`rescheduled` is empty where it was done before."""

    at: datetime
    rescheduled: Rescheduled


def erase(connection: Connection, clinician_id: UUID, limits: Bounds) -> Erased:
    """Of a person who is there, at `limits.now`; done again, it changes nothing. Raises StillUnderWay.

    Audited as person.erased, last.
    """
    person = connection.execute(statement("lock_person"), {"clinician_id": clinician_id}).one()
    if person.erased_at:
        return Erased(person.erased_at, Rescheduled())
    connection.execute(statement("end_person"), {"clinician_id": clinician_id, "now": limits.now})
    # From here on nothing more is planned for them, and nothing that was is claimed. In the order of every edit.
    connection.execute(statement("lock_planning"), {"tenant_id": None, "clinician_ids": [clinician_id]})
    ids = {**(person_ids(connection, clinician_id) or {}), "now": limits.now}
    if connection.scalar(statement("lock_told"), ids):
        raise StillUnderWay(clinician_id)
    remove(connection, ids)
    dropped = [
        (row.idempotency_key, row.scheduled_at) for row in connection.execute(statement("drop_claimed"), ids)
    ]
    rescheduled = reschedule(connection, [clinician_id], limits, dropped=dropped)
    pseudonymise(connection, ids)
    connection.execute(statement("mark_erased"), ids)
    connection.execute(
        statement("audit_by_hand"),
        {
            "tenants": [ids["tenant_id"]],
            "now": limits.now,
            "action": "person.erased",
            "subjects": [f"clinician:{clinician_id}"],
            "reasons": [None],
        },
    )
    return Erased(limits.now, rescheduled)
