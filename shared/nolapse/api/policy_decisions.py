"""What is decided about a policy's draft: compared with what is in force, activated, rolled back."""

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import Field

from nolapse.api.errors import Conflict
from nolapse.api.policies import Policy, own, read
from nolapse.api.schemas import Body, Model
from nolapse.api.v1 import V1
from nolapse.planning.plan import PlanReport
from nolapse.planning.policies.activate import activate, roll_back
from nolapse.planning.policies.catalog import DraftId, find_draft
from nolapse.planning.policies.diff import PolicyDiff, diff
from nolapse.planning.policies.errors import NotADraft, NothingToReturnTo


class Compared(Body):
    per_week: int = Field(
        default=3, ge=1, le=50, description="from how many messages a week a person is crowded"
    )


class Count(Model):
    messages: int
    people: int
    late: int = Field(description="whose window is past already: sent as soon as the draft is active")


class Day(Model):
    on_date: date
    active: int
    draft: int


class Crowd(Model):
    side: Literal["ACTIVE", "DRAFT"]
    messages: int
    people: int


class Difference(Model):
    """What activating the draft would change."""

    policy_id: UUID
    version: int
    changes: dict[str, Count] = Field(description="gained, lost, shifted, reworded, unchanged, settled")
    days: list[Day] = Field(description="on which a message leaves on either side")
    crowds: list[Crowd] = Field(description="people by the messages of their fullest week")


class Activation(Body):
    version: int = Field(ge=1, description="the draft that was compared, and no newer one")


class Decided(Policy):
    planned: dict[str, int] = Field(description="rows of the schedule, by what became of them")


def add_routes(v1: V1) -> None:
    @v1.route("POST", "/v1/policies/<policy_id>/diff")
    def compare_policy(policy_id: UUID, body: Compared) -> Difference:
        """Compare a policy's draft with what is in force.

        Computes both for every date that the policy may decide about; the schedule itself stays.
        """
        own(v1, policy_id)
        try:
            draft = find_draft(v1.connection, policy_id)
        except NotADraft:
            raise Conflict("policy_id", "has no draft to compare: draft one first") from None
        return _difference(diff(v1.connection, draft, v1.limits, per_week=body.per_week))

    @v1.route("POST", "/v1/policies/<policy_id>/activate")
    def activate_policy(policy_id: UUID, body: Activation) -> Decided:
        """Put a draft into force, and replan what it decides about."""
        own(v1, policy_id)
        try:
            report = activate(v1.connection, [DraftId(policy_id, body.version)], v1.limits)
        except NotADraft:
            raise Conflict("version", "is no draft: it was activated or replaced meanwhile") from None
        return _decided(v1, policy_id, report)

    @v1.route("POST", "/v1/policies/<policy_id>/rollback")
    def roll_policy_back(policy_id: UUID) -> Decided:
        """Return to the version before, or to the more general policy where there was none."""
        own(v1, policy_id)
        try:
            report = roll_back(v1.connection, policy_id, v1.limits)
        except NothingToReturnTo:
            raise Conflict(
                "policy_id", "has no version before, and no more general policy would decide"
            ) from None
        return _decided(v1, policy_id, report)


def _difference(made: PolicyDiff) -> Difference:
    return Difference(
        policy_id=made.draft.policy_id,
        version=made.draft.version,
        changes={name: Count(**count._asdict()) for name, count in made.changes.items()},
        days=[Day(**day._asdict()) for day in made.days],
        crowds=[Crowd.model_validate(crowd._asdict()) for crowd in made.crowds],
    )


def _decided(v1: V1, policy_id: UUID, report: PlanReport) -> Decided:
    return Decided(**dict(read(v1, policy_id)), planned=report.counts)
