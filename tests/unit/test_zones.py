"""The offsets of local time: every zone of the pinned tzdata against zoneinfo, and against glibc's own zdump."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from nolapse.domain.errors import UnknownZone
from nolapse.domain.zones import FIRST, LAST, OffsetPeriod, pinned_zone, zone_names
from nolapse.storage.zones import zone_periods

SECOND = timedelta(seconds=1)
# Not a divisor of a day or a week: the samples wander through all hours and weekdays.
STRIDE = timedelta(days=8, hours=7, minutes=13)
ZDUMP = Path(__file__).parents[3] / "shared" / "data" / "tz" / "us_transitions_zdump_2015_2032.txt"


@cache
def periods(zone: str) -> tuple[OffsetPeriod, ...]:
    return tuple(zone_periods(zone))


def boundaries(zone: str) -> Iterator[datetime]:
    return (period.local_from for period in periods(zone)[1:])


def offset_at(zone: str, local: datetime) -> timedelta:
    """What zoneinfo says of a naive local time; naive datetimes have fold=0."""
    offset = pinned_zone(zone).utcoffset(local)
    assert offset is not None
    return offset


def test_there_are_all_zones_of_tzdata() -> None:
    assert len(zone_names()) > 590
    assert {"America/New_York", "Asia/Kathmandu", "CET", "Pacific/Kwajalein", "UTC"} <= zone_names()


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../zones", "america/new_york"])
def test_an_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(UnknownZone, match="IANA name") as caught:
        pinned_zone(name)
    assert caught.value.zone == name


def test_periods_are_gapless_and_every_one_changes_the_offset() -> None:
    for zone in zone_names():
        own = periods(zone)
        assert own[0].local_from == datetime.min
        assert own[-1].local_until == datetime.max
        assert all(period.local_from < period.local_until for period in own)
        for earlier, later in pairwise(own):
            assert earlier.local_until == later.local_from, zone
            assert earlier.utc_offset != later.utc_offset, zone


def test_every_boundary_is_where_zoneinfo_changes_its_mind() -> None:
    checked = 0
    for zone in zone_names():
        for earlier, later in pairwise(periods(zone)):
            at = later.local_from
            assert offset_at(zone, at - SECOND) == earlier.utc_offset, (zone, at)
            assert offset_at(zone, at) == later.utc_offset, (zone, at)
            assert offset_at(zone, at + SECOND) == later.utc_offset, (zone, at)
            checked += 1
    assert checked > 50_000


def test_no_period_hides_a_change() -> None:
    for zone in zone_names():
        sample = FIRST.replace(tzinfo=None)
        for period in periods(zone):
            while sample < min(period.local_until, LAST.replace(tzinfo=None)):
                assert offset_at(zone, sample) == period.utc_offset, (zone, sample)
                sample += STRIDE


def test_gaps_take_the_offset_before_and_overlaps_the_first() -> None:
    gap, overlap = datetime(2026, 3, 8, 2, 30), datetime(2026, 11, 1, 1, 30)  # noqa: DTZ001  local times
    eastern = [period for period in periods("America/New_York") if period.local_from.year == 2026]
    spring, autumn = eastern
    assert gap < spring.local_from == datetime(2026, 3, 8, 3)  # noqa: DTZ001
    assert overlap < autumn.local_from == datetime(2026, 11, 1, 2)  # noqa: DTZ001
    assert (spring.utc_offset, autumn.utc_offset) == (timedelta(hours=-4), timedelta(hours=-5))


@cache
def zdump() -> dict[str, list[tuple[datetime, timedelta]]]:
    """By zone, the instants that zdump -v lists (a second before and at each transition) and their offsets.

    A line: `ZONE Sun Mar  8 07:00:00 2015 UT = Sun Mar  8 03:00:00 2015 EDT isdst=1 gmtoff=-14400`.
    """
    lines = [line.split() for line in ZDUMP.read_text().splitlines()]
    return {
        zone: [
            (
                datetime.strptime(" ".join(fields[2:6]), "%b %d %H:%M:%S %Y").replace(tzinfo=UTC),
                timedelta(seconds=int(fields[-1].removeprefix("gmtoff="))),
            )
            for fields in own
        ]
        for zone, own in groupby(lines, key=lambda fields: fields[0])
    }


needs_zdump = pytest.mark.skipif(not ZDUMP.is_file(), reason=f"{ZDUMP.name} is not beside this project")


@needs_zdump
def test_instants_have_the_offsets_that_zdump_gives_them() -> None:
    for zone, listed in zdump().items():
        for instant, offset in listed:
            assert instant.astimezone(pinned_zone(zone)).utcoffset() == offset, (zone, instant)


@needs_zdump
def test_boundaries_are_exactly_those_that_follow_from_zdump() -> None:
    assert len(zdump()) >= 14
    for zone, listed in zdump().items():
        expected = [
            (at.replace(tzinfo=None) + max(before, after), after)
            for (_, before), (at, after) in zip(listed[::2], listed[1::2], strict=True)
            if before != after
        ]
        first, last = expected[0][0], expected[-1][0]
        assert [
            (period.local_from, period.utc_offset)
            for period in periods(zone)
            if first <= period.local_from <= last
        ] == expected, zone
        assert (first.year, last.year) == (2015, 2032), zone
