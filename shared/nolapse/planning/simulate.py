"""What would be sent over the coming months, under the active policies or a draft: computed, never stored."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Engine, text

from nolapse.domain.errors import NolapseError
from nolapse.domain.feasibility import Outlook
from nolapse.planning.forecast import outlooks
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

DRAFTS_NAMED = text("""
SELECT DISTINCT policy_id
FROM renewal_policies
JOIN policy_version USING (policy_id)
WHERE name = :name AND status = 'DRAFT'
""")

WHOLE_TABLES = text("SELECT set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true)")


class NoSuchDraft(NolapseError):
    """A policy that does not exist, or that has no version in draft."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no policy named {name!r} has a draft")
        self.name = name


def simulate(
    engine: Engine,
    *,
    since: datetime,
    until: datetime,
    capacity: Mapping[str, int],
    drafts: Sequence[UUID] = (),
) -> dict[str, Outlook]:
    """By channel, the messages whose windows close after `since` and open before `until`.

    `capacity`: messages a minute by channel; `drafts`: policies judged by their draft.
    """
    with transaction(engine, "simulate") as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        # As in planning: the optimiser can't know how many rows a date calls for.
        connection.execute(WHOLE_TABLES)
        rows = connection.execute(
            statement("simulate"),
            {
                "now": since,
                "horizon": until,
                "late_since": since,
                "drafts": list(drafts),
                "tenant_id": None,
                "clinician_ids": None,
            },
        ).all()
    return outlooks(rows, capacity)


def drafts_named(engine: Engine, name: str) -> list[UUID]:
    """The policies of that name, of whatever tenant, that have a draft. Raises NoSuchDraft."""
    with engine.connect() as connection:
        found = list(connection.scalars(DRAFTS_NAMED, {"name": name}))
    if not found:
        raise NoSuchDraft(name)
    return found
