"""A draft into force, and back: versions and schedule change in one transaction, what was sent stays."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.planning.plan import Bounds, PlanReport, plan
from nolapse.planning.policies.catalog import DraftId
from nolapse.planning.policies.errors import NotADraft, NothingToReturnTo
from nolapse.planning.policies.scope import scope_of
from nolapse.planning.policies.versions import lock, record
from nolapse.storage.days_off import fill_days_off

RETIRE = text("""
UPDATE policy_version SET status = 'RETIRED' WHERE policy_id = :policy_id AND status = 'ACTIVE'
RETURNING version, former_version
""")
ACTIVATE = text("""
UPDATE policy_version SET status = 'ACTIVE', activated_at = :now, former_version = CAST(:former AS integer)
WHERE (policy_id, version) = (:policy_id, :version) AND status = 'DRAFT'
""")
RETURN = text("""
UPDATE policy_version SET status = 'ACTIVE', activated_at = :now WHERE (policy_id, version) = (:policy_id, :version)
""")
CLEAR_SHADOW = text("DELETE FROM schedule_shadow WHERE policy_id = :policy_id")
# Whether the dates of a policy would still fall under some other one that is in force.
COVERED = text("""
SELECT EXISTS (
  SELECT FROM renewal_policies AS policy
  JOIN renewal_policies AS general ON general.occasion = policy.occasion AND general.policy_id <> policy.policy_id
    AND (general.tenant_id IS NULL OR general.tenant_id = policy.tenant_id)
    AND (general.license_type IS NULL OR general.license_type = policy.license_type)
    AND (general.state IS NULL OR general.state = policy.state)
  JOIN policy_version ON policy_version.policy_id = general.policy_id AND policy_version.status = 'ACTIVE'
  WHERE policy.policy_id = :policy_id
)
""")


def activate(connection: Connection, drafts: Sequence[DraftId], bounds: Bounds) -> PlanReport:
    """All of them or, where one is no draft any more (NotADraft), none."""
    lock(connection)
    formers = []
    for draft in drafts:
        former = connection.execute(RETIRE, {"policy_id": draft.policy_id}).one_or_none()
        version = former.version if former else None
        made = connection.execute(ACTIVATE, {**draft._asdict(), "former": version, "now": bounds.now})
        if made.rowcount != 1:
            raise NotADraft(*draft)
        formers.append(version)
    report = _replan(connection, [draft.policy_id for draft in drafts], bounds)
    # Last: it takes the audit's lock, and whoever holds that must not wait for rows any more.
    for draft, version in zip(drafts, formers, strict=True):
        record(
            connection, "activated", draft.policy_id, former=version, version=draft.version, now=bounds.now
        )
    return report


def roll_back(connection: Connection, policy_id: UUID, bounds: Bounds) -> PlanReport:
    """To the version that the active one took over from; to the more general policy where there was none."""
    lock(connection)
    retired = connection.execute(RETIRE, {"policy_id": policy_id}).one_or_none()
    former = retired.former_version if retired else None
    if retired is None or (former is None and not connection.scalar(COVERED, {"policy_id": policy_id})):
        raise NothingToReturnTo(policy_id)
    if former is not None:
        connection.execute(RETURN, {"policy_id": policy_id, "version": former, "now": bounds.now})
    report = _replan(connection, [policy_id], bounds)
    record(connection, "rolled_back", policy_id, former=retired.version, version=former, now=bounds.now)
    return report


def _replan(connection: Connection, policy_ids: Sequence[UUID], bounds: Bounds) -> PlanReport:
    for policy_id in policy_ids:
        connection.execute(CLEAR_SHADOW, {"policy_id": policy_id})
    fill_days_off(connection, bounds.now)
    return plan(connection, bounds, **scope_of(connection, policy_ids)._asdict())
