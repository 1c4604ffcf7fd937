"""Was anybody missed, told twice, or told at the wrong time? Judged from what the vendors' doubles received.

Nothing here asks the schedule: what should have come is recomputed from licences and policies with the
pure-Python twin, what did come is what the doubles kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """What was expected of [start, end), against what arrived. `wrong`: (what, key of the offender)."""

    expected: int = 0
    arrived: int = 0
    missed: int = 0
    duplicates: int = 0
    outside: int = 0
    unexpected: int = 0
    crowded: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not (self.missed or self.duplicates or self.outside or self.unexpected or self.crowded)

    def blame(self, what: str, key: str) -> None:
        setattr(self, what, getattr(self, what) + 1)
        self.wrong.append((what, key))

    def blamed(self, what: str) -> list[str]:
        return [key for blamed, key in self.wrong if blamed == what]


@dataclass(frozen=True, slots=True)
class Rules:
    """When messages may leave: see DESIGN §5, I3 and I4.

    `tolerance`: how far the clocks of functions may be apart, and an answer may take, before that counts.
    """

    lookback: timedelta
    spacing: timedelta
    quiet_from: time
    quiet_until: time
    tolerance: timedelta = timedelta()


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

    @property
    def identity(self) -> tuple[UUID, str, str, UUID]:
        """What is told once, whenever that is."""
        return self.subject, self.expected.event, self.expected.occurrence, self.person


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
    called = {call.key: call for call in called_for(engine, start, until, rules)}
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
        elif not may_leave(called[key], at, rules):
            proof.blame("outside", key)
    for key, _ in crowded(called, arrived, rules):
        proof.blame("crowded", key)
    return proof


def called_for(engine: Engine, start: datetime, end: datetime, rules: Rules) -> Iterator[Called]:
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


def may_leave(call: Called, at: datetime, rules: Rules) -> bool:
    """By a clock that is right, or as far off as is tolerated."""
    return any(
        _may_leave_at(call, at + off, rules) for off in (timedelta(), rules.tolerance, -rules.tolerance)
    )


def _may_leave_at(call: Called, at: datetime, rules: Rules) -> bool:
    if at in call.expected.window:
        return True
    late = at >= call.expected.window.end
    return (
        late
        and next_allowed(at, call.expected.recipient.zone, rules.quiet_from, rules.quiet_until).start == at
    )


def crowded(
    called: Mapping[str, Called], arrived: Mapping[str, datetime], rules: Rules
) -> Iterator[tuple[str, str]]:
    """Late messages that came too soon after another late one of the same person: each with that one."""
    last: dict[UUID, str] = {}
    for key, at in sorted(arrived.items(), key=lambda item: item[1]):
        call = called.get(key)
        if call is None or _in_window(call, at, rules):
            continue
        before = last.get(call.person)
        if before is not None and at - arrived[before] < rules.spacing - rules.tolerance:
            yield key, before
        last[call.person] = key


def _in_window(call: Called, at: datetime, rules: Rules) -> bool:
    window = call.expected.window
    return window.start - rules.tolerance <= at < window.end + rules.tolerance
