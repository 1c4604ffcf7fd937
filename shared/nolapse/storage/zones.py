"""Loads zone_offset from the pinned tzdata package."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources

import tzdata
from sqlalchemy import Connection, text

from nolapse.domain.zones import OffsetPeriod, offset_periods, zone_names
from nolapse.storage.statements import statement

HEADER = struct.Struct(">4sc15x6L")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def load_zones(connection: Connection) -> int:
    """Make zone_offset equal the pinned tzdata; returns the number of rows written, 0 when it is current."""
    version = tzdata.IANA_VERSION
    if connection.scalar(text("SELECT tzdata_version FROM zone_offset LIMIT 1")) == version:
        return 0
    periods = [period for zone in sorted(zone_names()) for period in zone_periods(zone)]
    connection.execute(
        statement("replace_zone_offsets"),
        {
            "version": version,
            "zones": [period.zone for period in periods],
            "froms": [_timestamp(period.local_from) for period in periods],
            "untils": [_timestamp(period.local_until) for period in periods],
            "offsets": [int(period.utc_offset.total_seconds()) for period in periods],
        },
    )
    return len(periods)


def zone_periods(zone: str) -> Iterator[OffsetPeriod]:
    return offset_periods(zone, _listed_transitions(zone))


def _timestamp(local: datetime) -> str:
    if local == datetime.min:
        return "-infinity"
    return "infinity" if local == datetime.max else local.isoformat()


def _listed_transitions(zone: str) -> list[datetime]:
    """The 64-bit transition times of a zone's TZif file, version 2 or later (RFC 9636 §3)."""
    data = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
    isutcnt, isstdcnt, leapcnt, timecnt, typecnt, charcnt = _counts(data, 0)
    second = HEADER.size + timecnt * 5 + typecnt * 6 + charcnt + leapcnt * 8 + isstdcnt + isutcnt
    times = _counts(data, second)[3]
    seconds = struct.unpack_from(f">{times}q", data, second + HEADER.size)
    return [EPOCH + timedelta(seconds=value) for value in seconds if value > -(1 << 33)]


def _counts(data: bytes, at: int) -> tuple[int, ...]:
    magic, _version, *counts = HEADER.unpack_from(data, at)
    if magic != b"TZif":
        raise ValueError(f"no TZif header at byte {at}")
    return tuple(counts)
