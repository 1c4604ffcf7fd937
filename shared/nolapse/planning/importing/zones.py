"""Where a person's clock stands: as the register says, else by their ZIP, else a state, else their tenant.

The ZIP table (PyPI `zipcodes`) has wrong entries, so a zone counts only if the pinned tzdata knows it.
"""

import re
from enum import StrEnum
from functools import cache, lru_cache
from typing import NamedTuple

import zipcodes

from nolapse.domain.us_states import State, state_named
from nolapse.domain.zones import zone_names

AMERICAN = frozenset({"", "us", "usa", "u.s.", "u.s.a.", "united states", "united states of america"})
# ZIP or ZIP+4, whole or with leading zeros lost to a spreadsheet, which may also have added ".0".
ZIP = re.compile(r"(\d{3,5})(?:[- ]\d{1,4}|\.0)?")
ZIP_PLUS_4 = re.compile(r"(\d{7,9})(?:\.0)?")


class ZoneSource(StrEnum):
    GIVEN = "given"
    ZIP = "ZIP"
    STATE = "state"
    SPLIT_STATE = "state with several zones, the one most people live in"
    TENANT = "tenant"


class Placed(NamedTuple):
    """`zone` is None where the tenant's holds; `problem` says why a given zone was passed over."""

    zone: str | None
    source: ZoneSource
    problem: str = ""


@lru_cache(maxsize=65536)
def place(given: str, postcode: str, address_state: str, license_state: str, country: str) -> Placed:
    if not given:
        return _by_address(postcode, address_state, license_state, country)
    # Names without a region, such as EST, have no summer time or several meanings.
    zone = _names_by_case().get(given.casefold())
    if zone and ("/" in zone or zone == "UTC"):
        return Placed(zone, ZoneSource.GIVEN)
    problem = "is no IANA time zone such as America/New_York: the address decided instead"
    return _by_address(postcode, address_state, license_state, country)._replace(problem=problem)


def _by_address(postcode: str, address_state: str, license_state: str, country: str) -> Placed:
    state = state_named(address_state)
    abroad = country.casefold() not in AMERICAN or (address_state and state is None)
    if abroad:
        return Placed(None, ZoneSource.TENANT)
    if zone := _zone_of_zip(postcode):
        return Placed(zone, ZoneSource.ZIP)
    return _by_state(state or state_named(license_state))


def _by_state(state: State | None) -> Placed:
    if state is None or state.zone is None:
        return Placed(None, ZoneSource.TENANT)
    return Placed(state.zone, ZoneSource.SPLIT_STATE if state.split else ZoneSource.STATE)


def _zone_of_zip(postcode: str) -> str | None:
    digits = five_digits(postcode)
    entries = zipcodes.matching(digits) if digits else []  # type: ignore[no-untyped-call]
    zones = {entry["timezone"] for entry in entries} & zone_names()
    return zones.pop() if len(zones) == 1 else None


def five_digits(postcode: str) -> str | None:
    if match := ZIP.fullmatch(postcode):
        return match[1].zfill(5)
    if match := ZIP_PLUS_4.fullmatch(postcode):
        return match[1].zfill(9)[:5]
    return None


@cache
def _names_by_case() -> dict[str, str]:
    return {name.casefold(): name for name in zone_names()}
