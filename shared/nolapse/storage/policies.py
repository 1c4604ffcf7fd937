"""Policies as the pure twin (domain/calendar.py) takes them: for the watchdog, the proof and the tests."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, text

from nolapse.domain.calendar import Policy, Step
from nolapse.storage.days_off import public_holidays

VERSIONS = text("""
SELECT policy_id, version, policy.tenant_id, occasion, license_type, state,
       steps, opens, closes, leap_day, grace_days + buffer_days AS pause_days, business_days, holidays
FROM renewal_policies AS policy
JOIN policy_version USING (policy_id)
WHERE status = CASE WHEN policy_id = ANY (CAST(:drafts AS uuid[])) THEN 'DRAFT' ELSE 'ACTIVE' END
""")
NO_POLICY = Policy(steps=())


class Kind(NamedTuple):
    """What a policy is chosen by; in a policy's own kind None stands for any."""

    tenant_id: UUID | None
    occasion: str
    license_type: str | None
    state: str | None


class PolicyBook:
    """The versions in force when it was loaded; each is built once, however many kinds of date it serves."""

    def __init__(self, versions: Iterable[Row[Any]]) -> None:
        self._rows = {Kind(row.tenant_id, row.occasion, row.license_type, row.state): row for row in versions}
        self._built: dict[tuple[UUID, int], Policy] = {}

    def for_(
        self, tenant_id: UUID, occasion: str, license_type: str | None = None, state: str | None = None
    ) -> Policy:
        """The most specific policy of a kind of date; one without steps where there is none."""
        for kind in _from_specific_to_general(Kind(tenant_id, occasion, license_type or None, state or None)):
            row = self._rows.get(kind)
            if row is not None:
                return self._build(row)
        return NO_POLICY

    def _build(self, row: Row[Any]) -> Policy:
        version = (row.policy_id, row.version)
        if version not in self._built:
            self._built[version] = _policy(row)
        return self._built[version]


def load_policies(connection: Connection, drafts: Sequence[UUID] = ()) -> PolicyBook:
    """The active version of every policy; of those in `drafts` the draft."""
    return PolicyBook(connection.execute(VERSIONS, {"drafts": list(drafts)}))


def _from_specific_to_general(kind: Kind) -> Iterable[Kind]:
    """A tenant's own before a type's before a state's."""
    for tenant_id in (kind.tenant_id, None):
        for license_type in dict.fromkeys((kind.license_type, None)):
            for state in dict.fromkeys((kind.state, None)):
                yield Kind(tenant_id, kind.occasion, license_type, state)


def _policy(row: Row[Any]) -> Policy:
    return Policy(
        steps=[
            Step(
                step["event"],
                step["days"],
                step["template"],
                tuple(step["recipients"]),
                tuple(step["channels"]),
                step.get("unless"),
            )
            for step in row.steps
        ],
        opens=row.opens,
        closes=row.closes,
        pause_days=row.pause_days,
        business_days=row.business_days,
        # The library, not the day_off table: the twin shares nothing with what it checks.
        holidays=_holidays(row.holidays) if row.holidays else frozenset(),
        leap_day=row.leap_day,
    )


@cache
def _holidays(calendar: str) -> Collection[date]:
    return public_holidays(calendar)
