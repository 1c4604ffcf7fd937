"""What a draft would change, before anybody is told: both sides computed into schedule_shadow, then compared."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from nolapse.planning.plan import Bounds
from nolapse.planning.policies.catalog import DraftId, find_draft
from nolapse.planning.policies.errors import NotADraft
from nolapse.planning.policies.scope import scope_of
from nolapse.planning.policies.versions import lock
from nolapse.storage.days_off import fill_days_off
from nolapse.storage.statements import statement
from nolapse.storage.whole_tables import whole_tables

CLEAR = text("DELETE FROM schedule_shadow WHERE policy_id = :policy_id")
# How far beyond the horizon both sides reach: as far as a draft may move a step.
REACH = timedelta(days=400)
# What a draft can do to a notification, in the words of those who decide about it.
CHANGES = {
    "gained": "told where they were not",
    "lost": "no longer told",
    "shifted": "told in another window",
    "reworded": "told by another template or channel",
    "unchanged": "told as before",
    "settled": "sent, in flight or dropped already: stays",
}


class Count(NamedTuple):
    """`late`: messages whose window is past already, sent as soon as the draft is active."""

    messages: int = 0
    people: int = 0
    late: int = 0


class Day(NamedTuple):
    on_date: date
    active: int
    draft: int


class Crowd(NamedTuple):
    """How many people get `messages` messages in their fullest week; `side` is ACTIVE or DRAFT."""

    side: str
    messages: int
    people: int


@dataclass(frozen=True, slots=True)
class PolicyDiff:
    """`changes` has every one of CHANGES, `days` every day on which a message leaves on either side."""

    draft: DraftId
    changes: dict[str, Count]
    days: Sequence[Day]
    crowds: Sequence[Crowd]
    per_week: int

    @property
    def touches_nothing(self) -> bool:
        """No date falls under the policy."""
        return not any(count.messages for count in self.changes.values())

    def crowded(self, side: str) -> int:
        return sum(crowd.people for crowd in self.crowds if crowd.side == side)

    def messages(self, side: str) -> int:
        return sum(day.active if side == "ACTIVE" else day.draft for day in self.days)


def cast_shadow(connection: Connection, draft: DraftId, bounds: Bounds) -> None:
    """Both sides of the draft into schedule_shadow; the schedule itself is not touched."""
    lock(connection)
    if find_draft(connection, draft.policy_id) != draft:
        raise NotADraft(*draft)
    fill_days_off(connection, bounds.now)
    connection.execute(CLEAR, {"policy_id": draft.policy_id})
    scope = scope_of(connection, [draft.policy_id])
    parameters = {
        **draft._asdict(),
        **scope._asdict(),
        "now": bounds.now,
        "horizon": bounds.horizon + REACH,
        "late_since": bounds.late_since,
    }
    with whole_tables(connection) if scope.clinician_ids is None else nullcontext():
        for side, drafts in (("ACTIVE", []), ("DRAFT", [draft.policy_id])):
            connection.execute(statement("policy_shadow"), {**parameters, "side": side, "drafts": drafts})


def diff(connection: Connection, draft: DraftId, bounds: Bounds, *, per_week: int) -> PolicyDiff:
    cast_shadow(connection, draft, bounds)
    parameters = {**draft._asdict(), "now": bounds.now, "horizon": bounds.horizon}
    with whole_tables(connection):
        changes = {
            change: Count(*counts)
            for change, *counts in connection.execute(statement("policy_changes"), parameters)
        }
        return PolicyDiff(
            draft=draft,
            changes={change: changes.get(change, Count()) for change in CHANGES},
            days=[Day(*row) for row in connection.execute(statement("policy_days"), parameters)],
            crowds=[
                Crowd(*row)
                for row in connection.execute(
                    statement("policy_crowded"), {**parameters, "per_week": per_week}
                )
            ],
            per_week=per_week,
        )
