"""What a zone's clock shows: its offset from UTC as a function of local time.

The rule for local times that do not exist or exist twice is RFC 5545 §3.3.5, Python's fold=0: in a gap the
offset before it holds, in an overlap the first. Seen from local time, therefore, a new offset begins at
transition + max(offset before, offset after), gap and overlap alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from nolapse.domain.errors import UnknownZone

# Licences expire within 1970..2099 and policies reach some years around an expiry.
FIRST = datetime(1965, 1, 1, tzinfo=UTC)
LAST = datetime(2105, 1, 1, tzinfo=UTC)

# A TZif footer is a POSIX TZ rule: at most two transitions a year, months apart.
FOOTER_STEP = timedelta(days=27)


@cache
def zone_names() -> frozenset[str]:
    """Every zone of the pinned tzdata, links included."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text().split())


@cache
def pinned_zone(name: str) -> ZoneInfo:
    """The zone as the pinned tzdata package has it, whatever the machine's own files say.

    Raises UnknownZone.
    """
    if name not in zone_names():
        raise UnknownZone(name)
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@dataclass(frozen=True, slots=True)
class OffsetPeriod:
    """A zone's offset for local times in [local_from, local_until), naive; open ends are min and max."""

    zone: str
    local_from: datetime
    local_until: datetime
    utc_offset: timedelta


def offset_periods(name: str, listed: Iterable[datetime]) -> Iterator[OffsetPeriod]:
    """All periods of zone `name` between FIRST and LAST, gapless and in order.

    `listed` are the UTC instants of the transitions that the zone's TZif file lists (RFC 9636 §3.2); those
    that follow from its footer are found by asking the zone itself.
    """
    zone = pinned_zone(name)
    known = sorted(instant for instant in listed if FIRST < instant < LAST)
    footer = _transitions_by_rule(zone, known[-1] if known else FIRST)
    begins = datetime.min
    offset = _offset(zone, FIRST)
    for transition in (*known, *footer):
        after = _offset(zone, transition)
        if after == offset:
            continue
        ends = transition.replace(tzinfo=None) + max(offset, after)
        yield OffsetPeriod(name, begins, ends, offset)
        begins, offset = ends, after
    yield OffsetPeriod(name, begins, datetime.max, offset)


def _transitions_by_rule(zone: ZoneInfo, since: datetime) -> Iterator[datetime]:
    step = since
    # A rule repeats every year: a zone that keeps its offset for two has none.
    give_up = since + timedelta(days=2 * 366)
    while step < min(LAST, give_up):
        if _offset(zone, step) != _offset(zone, step + FOOTER_STEP):
            yield _bisect(zone, step, step + FOOTER_STEP)
            give_up = LAST
        step += FOOTER_STEP


def _bisect(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    old = _offset(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    if offset is None:
        raise AssertionError(f"{zone.key} gives no offset at {instant}")
    return offset
