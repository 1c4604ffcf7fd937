"""Whether messages fit into their windows at the pace of their senders.

Every minute up to `per_minute` messages leave, those whose window closes first before the others, and what is left
when its window closes is late. No other order gets more of them out in time: messages and minutes are a convex
bipartite graph (F. Glover, Maximum matching in a convex bipartite graph, 1967). Scan works so too, except that it
takes tenants in turns (storage/sql/claim_due.sql): where tenants compete, this is the best case.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush

# What one mailbox may send: Exchange Online, "Sending limits", message rate limit, which Microsoft Graph is under too.
# https://learn.microsoft.com/office365/servicedescriptions/exchange-online-service-description/exchange-online-limits
MAILBOX_PER_MINUTE = 30

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Demand:
    """`messages` that must leave in [opens, closes)."""

    opens: datetime
    closes: datetime
    messages: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """A window that is too short for what must leave in it: so many of its messages will be `late`."""

    demand: Demand
    late: int


@dataclass(frozen=True, slots=True)
class Day:
    """The windows that open on a UTC day; `capacity`: what can leave while any of them is open."""

    on: date
    messages: int
    late: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be sent on one channel; `days` that have messages and `misfits`, both in order of time."""

    per_minute: int
    demands: Sequence[Demand]
    days: Sequence[Day]
    misfits: Sequence[Misfit]

    @property
    def messages(self) -> int:
        return sum(demand.messages for demand in self.demands)

    @property
    def late(self) -> int:
        return sum(misfit.late for misfit in self.misfits)


def outlook(demands: Iterable[Demand], per_minute: int) -> Outlook:
    ordered = sorted(demands, key=lambda demand: (demand.opens, demand.closes))
    found = misfits(ordered, per_minute)
    return Outlook(per_minute, ordered, _days(ordered, found, per_minute), found)


def misfits(demands: Iterable[Demand], per_minute: int) -> list[Misfit]:
    """The demands that can't leave in time as a whole, in order of opening."""
    ordered = sorted(demands, key=lambda demand: (demand.opens, demand.closes))
    unsent = _unsent(ordered, per_minute)
    return [Misfit(demand, late) for demand, late in zip(ordered, unsent, strict=True) if late]


def rate_needed(demands: Iterable[Demand]) -> int:
    """The fewest messages a minute at which everything fits.

    What has no minute left in its window is left aside: no pace would help it.
    """
    possible = [demand for demand in demands if _minute(demand.opens) < _minute(demand.closes)]
    enough = sum(demand.messages for demand in possible)
    return bisect_left(range(enough), True, key=lambda rate: not misfits(possible, rate))


def _unsent(ordered: Sequence[Demand], per_minute: int) -> list[int]:
    """What is left of each demand when its window closes. Time is counted in slots, `per_minute` to a minute."""
    left = [demand.messages for demand in ordered]
    openings = [_minute(demand.opens) * per_minute for demand in ordered]
    deadlines = [_minute(demand.closes) * per_minute for demand in ordered]
    waiting: list[tuple[int, int]] = []
    slot = upcoming = 0
    while waiting or upcoming < len(ordered):
        if not waiting:
            slot = max(slot, openings[upcoming])
        while upcoming < len(ordered) and openings[upcoming] <= slot:
            heappush(waiting, (deadlines[upcoming], upcoming))
            upcoming += 1
        deadline, first = waiting[0]
        # Until then nothing more urgent can turn up.
        until = min([deadline, *openings[upcoming : upcoming + 1]])
        sent = min(left[first], max(0, until - slot))
        left[first] -= sent
        slot += sent
        if not left[first] or slot >= deadline:
            heappop(waiting)
    return left


def _minute(instant: datetime) -> int:
    """The first whole minute since the epoch that does not lie before `instant`."""
    return -((EPOCH - instant) // MINUTE)


def _days(ordered: Sequence[Demand], found: Sequence[Misfit], per_minute: int) -> list[Day]:
    opening: dict[date, list[Demand]] = defaultdict(list)
    for demand in ordered:
        opening[demand.opens.astimezone(UTC).date()].append(demand)
    late: dict[date, int] = defaultdict(int)
    for misfit in found:
        late[misfit.demand.opens.astimezone(UTC).date()] += misfit.late
    return [
        Day(
            day,
            messages=sum(demand.messages for demand in demands),
            late=late[day],
            capacity=_open_minutes(demands) * per_minute,
        )
        for day, demands in opening.items()
    ]


def _open_minutes(ordered: Sequence[Demand]) -> int:
    """How many minutes lie in any of the windows."""
    total = reached = 0
    for demand in ordered:
        closes = _minute(demand.closes)
        total += max(0, closes - max(reached, _minute(demand.opens)))
        reached = max(reached, closes)
    return total
