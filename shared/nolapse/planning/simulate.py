"""What would be sent over the coming months, under the active policies or a draft: computed, never stored."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from nolapse.domain.doses import doses
from nolapse.domain.errors import NolapseError
from nolapse.domain.feasibility import Outlook
from nolapse.planning.forecast import outlooks
from nolapse.storage.dates import regimen
from nolapse.storage.engine import transaction
from nolapse.storage.policies import PolicyBook, load_policies
from nolapse.storage.statements import statement
from nolapse.storage.whole_tables import whole_tables

DRAFTS_NAMED = text("""
SELECT DISTINCT policy_id
FROM renewal_policies
JOIN policy_version USING (policy_id)
WHERE name = :name AND status = 'DRAFT'
""")

MEDICATIONS = text("""
SELECT medications.tenant_id, starts_at, medications.timezone AS regimen_zone, rrule, exdates, lateness,
  on_time_minutes, safe_minutes, effective_from, expanded_until
FROM medications
JOIN clinicians USING (clinician_id)
WHERE medications.status = 'ACTIVE' AND clinicians.status = 'ACTIVE'
""")


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
        with whole_tables(connection):
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
        beyond = _doses_beyond(connection, since, until, load_policies(connection, drafts))
    return outlooks(chain(rows, beyond), capacity)


def _doses_beyond(
    connection: Connection, since: datetime, until: datetime, policies: PolicyBook
) -> Iterable[tuple[str, datetime, datetime, int]]:
    """(channel, opens, closes, messages) of the doses after those that are stored."""
    found: Counter[tuple[str, datetime, datetime]] = Counter()
    for row in connection.execute(MEDICATIONS):
        steps = [step for step in policies.for_(row.tenant_id, "DOSE").steps if step.unless is None]
        for dose in doses(regimen(row), since=row.expanded_until or since, until=until) if steps else ():
            for step in steps:
                found[step.channels[0], dose.due_at, dose.closes_at] += 1
    return [(*window, messages) for window, messages in found.items()]


def drafts_named(engine: Engine, name: str) -> list[UUID]:
    """The policies of that name, of whatever tenant, that have a draft. Raises NoSuchDraft."""
    with engine.connect() as connection:
        found = list(connection.scalars(DRAFTS_NAMED, {"name": name}))
    if not found:
        raise NoSuchDraft(name)
    return found
