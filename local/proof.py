"""Was anybody missed, told twice, or told at the wrong time? Judged from what the vendors' doubles received.

Nothing here asks the schedule: what should have come is recomputed from licences and policies with the
pure-Python twin, what did come is what the doubles kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from uuid import UUID

from sqlalchemy import Engine

from local.doubles.received import ReceivedEmail
from nolapse.domain.calendar import Expected, next_allowed
from nolapse.storage.dates import load_dates
from nolapse.storage.policies import load_policies


@dataclass(slots=True)
class Proof:
    """What was expected of [start, end), against what arrived. `wrong` names the first offenders by key."""

    expected: int = 0
    arrived: int = 0
    missed: int = 0
    duplicates: int = 0
    outside: int = 0
    unexpected: int = 0
    crowded: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.missed or self.duplicates or self.outside or self.unexpected or self.crowded)

    def blame(self, what: str, key: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
        self.wrong.append(f"{what}: {key}")


@dataclass(frozen=True, slots=True)
class Rules:
    """When messages may leave: see DESIGN §5, I3 and I4."""

    lookback: timedelta
    spacing: timedelta
    quiet_from: time
    quiet_until: time


@dataclass(frozen=True, slots=True)
class Called:
    """One notification that the base calls for, and the subject (licence or date) it is about."""

    expected: Expected
    subject: UUID

    @property
    def key(self) -> str:
        return self.expected.idempotency_key.hex()

    @property
    def person(self) -> UUID:
        return self.expected.recipient.person_id


def prove(
    engine: Engine,
    received: Sequence[ReceivedEmail],
    *,
    start: datetime,
    end: datetime,
    rules: Rules,
    until: datetime,
) -> Proof:
    """Judge what was due from `start` to `end`, on a base that did not change meanwhile.

    `until`: when the run stopped, later than `end` where it waited for what was late.
    """
    called = {call.key: call for call in _called_for(engine, start, until, rules)}
    proof = Proof(arrived=len(received))
    for key, times in Counter(email.key for email in received).items():
        if times > 1:
            proof.blame("duplicates", key)
    arrived = {email.key: email.received_at for email in received}
    for key in _due(called.values(), start, end, rules):
        proof.expected += 1
        if key not in arrived:
            proof.blame("missed", key)
    for key, at in arrived.items():
        if key not in called:
            proof.blame("unexpected", key)
        elif not _may_leave(called[key], at, rules):
            proof.blame("outside", key)
    _judge_spacing(proof, called, arrived, rules)
    return proof


def _called_for(engine: Engine, start: datetime, end: datetime, rules: Rules) -> Iterator[Called]:
    with engine.connect() as connection:
        policies = load_policies(connection)
        for dated in load_dates(connection):
            policy = policies.for_(dated.tenant_id, dated.kind, dated.license_type, dated.state)
            for expected in dated.calls_for(policy, since=start - rules.lookback, until=end):
                yield Called(expected, dated.subject_id)


def _due(calls: Iterable[Called], start: datetime, end: datetime, rules: Rules) -> Iterator[str]:
    """What must have arrived by `end`: every window that closed in the run, and per subject the last late one."""
    late: dict[UUID, Called] = {}
    on_time_since: set[UUID] = set()
    for call in calls:
        window = call.expected.window
        if start < window.end <= end:
            yield call.key
            on_time_since.add(call.subject)
        elif start - rules.lookback < window.end <= start:
            last = late.get(call.subject)
            if last is None or window.start > last.expected.window.start:
                late[call.subject] = call
    for subject, call in late.items():
        # Said on time before its late window came: then the late one may have been superseded.
        if subject not in on_time_since:
            yield call.key


def _may_leave(call: Called, at: datetime, rules: Rules) -> bool:
    if at in call.expected.window:
        return True
    late = at >= call.expected.window.end
    return (
        late
        and next_allowed(at, call.expected.recipient.zone, rules.quiet_from, rules.quiet_until).start == at
    )


def _judge_spacing(
    proof: Proof, called: dict[str, Called], arrived: dict[str, datetime], rules: Rules
) -> None:
    last: dict[UUID, datetime] = {}
    for key, at in sorted(arrived.items(), key=lambda item: item[1]):
        call = called.get(key)
        if call is None or at in call.expected.window:
            continue
        if call.person in last and at - last[call.person] < rules.spacing:
            proof.blame("crowded", key)
        last[call.person] = at
