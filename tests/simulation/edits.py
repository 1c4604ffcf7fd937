"""The base edited while a run goes on, as the product edits it: the change and its planning in one transaction.

What the base called for until then is remembered: by that what left earlier is judged.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from local.proof import Called
from nolapse.planning.plan import Bounds, plan
from nolapse.planning.policies.activate import activate
from nolapse.planning.policies.catalog import DraftId
from nolapse.storage.engine import transaction
from tests.simulation.base import STEPS, ZONES, steps

# None of them opens when another does: what moves has another key.
HOURS = (("06:15", "07:45"), ("16:00", "19:00"), ("21:30", "23:00"))

PEOPLE = text("SELECT clinician_id FROM clinicians WHERE status = 'ACTIVE' ORDER BY clinician_id")
LICENSES = text("SELECT license_id, clinician_id FROM licenses ORDER BY license_id")
AFFECTED = text("SELECT clinician_id FROM clinicians WHERE :person IN (clinician_id, supervisor_id)")
MOVE = text("UPDATE clinicians SET timezone = :zone WHERE clinician_id = :person")
LEAVE = text("UPDATE clinicians SET status = 'LEFT' WHERE clinician_id = :person")
RENEW = text(
    "UPDATE licenses SET expires_on = expires_on + CAST(:days AS integer) WHERE license_id = :license"
)
DRAFT = text("""
INSERT INTO policy_version (policy_id, version, tenant_id, status, steps, opens, closes)
SELECT policy_id, max(version) + 1, policy.tenant_id, 'DRAFT', CAST(:steps AS jsonb), :opens, :closes
FROM renewal_policies AS policy JOIN policy_version USING (policy_id)
JOIN tenants ON tenants.tenant_id = policy.tenant_id
WHERE slug = 'night-shift' GROUP BY policy_id RETURNING policy_id, version
""")
IN_FLIGHT = text("""
SELECT encode(idempotency_key, 'hex') FROM notification_schedule
WHERE status IN ('QUEUED', 'SENDING', 'UNKNOWN', 'HELD')
""")


@dataclass(frozen=True, slots=True)
class Past:
    """What the base called for until `at`, by key, and what was on its way then and could not be called back."""

    at: datetime
    calls: Mapping[str, Called]
    in_flight: frozenset[str]


def as_of(call: Called, at: datetime, pasts: Sequence[Past], called: Mapping[str, Called]) -> Called:
    """What was called for, in the zone that its recipient lived in at `at`: they may have moved since, and back."""
    then = next((past.calls for past in pasts if past.at > at), called)
    lived = (other.expected.recipient for other in then.values() if other.person == call.person)
    return replace(call, expected=replace(call.expected, recipient=next(lived, call.expected.recipient)))


def on_their_way(engine: Engine) -> frozenset[str]:
    with engine.connect() as connection:
        return frozenset(connection.scalars(IN_FLIGHT))


def edit(engine: Engine, limits: Bounds, dice: random.Random) -> None:
    """Somebody moves, leaves, renews, or a clinic changes its hours."""
    with transaction(engine, "api") as connection:
        dice.choice((_move, _move, _renew, _renew, _leave, _change_hours))(connection, limits, dice)


def _move(connection: Connection, limits: Bounds, dice: random.Random) -> None:
    people = connection.scalars(PEOPLE).all()
    if people:
        person = dice.choice(people)
        connection.execute(MOVE, {"person": person, "zone": dice.choice(ZONES)})
        _replan(connection, limits, person)


def _leave(connection: Connection, limits: Bounds, dice: random.Random) -> None:
    people = connection.scalars(PEOPLE).all()
    if people:
        person = dice.choice(people)
        connection.execute(LEAVE, {"person": person})
        _replan(connection, limits, person)


def _renew(connection: Connection, limits: Bounds, dice: random.Random) -> None:
    """By years, so that nothing is due, or by as much as makes another reminder due."""
    licence = dice.choice(connection.execute(LICENSES).all())
    days = dice.choice((730, *STEPS.values(), 1, -1))
    connection.execute(RENEW, {"license": licence.license_id, "days": days})
    plan(connection, limits, clinician_ids=[licence.clinician_id])


def _change_hours(connection: Connection, limits: Bounds, dice: random.Random) -> None:
    opens, closes = dice.choice(HOURS)
    given = {"steps": json.dumps(steps(["EMAIL"])), "opens": opens, "closes": closes}
    draft = connection.execute(DRAFT, given).one()
    activate(connection, [DraftId(draft.policy_id, draft.version)], limits)


def _replan(connection: Connection, limits: Bounds, person: UUID) -> None:
    """What is owed to a person: for their own dates, and for those of the people they supervise."""
    plan(connection, limits, clinician_ids=connection.scalars(AFFECTED, {"person": person}).all())
