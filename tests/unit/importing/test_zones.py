"""Where a person's clock stands, by what a register knows of them."""

from collections import Counter

import pytest
import zipcodes

from nolapse.domain.us_states import STATES, state_named
from nolapse.domain.zones import zone_names
from nolapse.planning.importing.zones import Placed, ZoneSource, five_digits, place

# West Wendover, Nevada, keeps Mountain time (49 CFR 71.9); Micronesia has two zones, and Chuuk alone a ZIP here.
BETTER_KNOWN = {"NV", "FM"}


def where(
    *, zone: str = "", postcode: str = "", home: str = "", state: str = "", country: str = ""
) -> Placed:
    return place(zone, postcode, home, state, country)


@pytest.mark.parametrize(
    ("placed", "zone", "source"),
    [
        (where(zone="Europe/London", postcode="10027"), "Europe/London", ZoneSource.GIVEN),
        (where(zone="america/new_york"), "America/New_York", ZoneSource.GIVEN),
        (where(postcode="79901", state="TX"), "America/Denver", ZoneSource.ZIP),
        (where(postcode="2139"), "America/New_York", ZoneSource.ZIP),
        (where(postcode="98101-2044"), "America/Los_Angeles", ZoneSource.ZIP),
        (where(postcode="60614.0", home="IL", country="United States"), "America/Chicago", ZoneSource.ZIP),
        (
            where(postcode="99634", home="AK"),
            "America/Anchorage",
            ZoneSource.SPLIT_STATE,
        ),  # the table's wrong entry
        (where(postcode="00000", home="Ohio"), "America/New_York", ZoneSource.STATE),
        (where(home="NV", state="CA"), "America/Los_Angeles", ZoneSource.SPLIT_STATE),
        (where(state="HI"), "Pacific/Honolulu", ZoneSource.STATE),
        (where(home="AE", postcode="09012"), None, ZoneSource.TENANT),
        (where(home="Bayern", postcode="80331"), None, ZoneSource.TENANT),
        (where(country="Germany", postcode="80331"), None, ZoneSource.TENANT),
        (where(), None, ZoneSource.TENANT),
    ],
)
def test_the_plainest_word_about_a_place_counts(placed: Placed, zone: str | None, source: ZoneSource) -> None:
    assert placed == Placed(zone, source)


@pytest.mark.parametrize("zone", ["Mars/Olympus_Mons", "EST", "Eastern"])
def test_a_zone_that_is_none_is_reported_and_passed_over(zone: str) -> None:
    placed = where(zone=zone, postcode="10027")

    assert (placed.zone, placed.source) == ("America/New_York", ZoneSource.ZIP)
    assert "no IANA time zone" in placed.problem


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("02139", "02139"),
        ("501", "00501"),
        ("021394307", "02139"),
        ("21394307", "02139"),
        ("K1A 0B1", None),
        ("", None),
    ],
)
def test_zips_regain_their_zeros(text: str, digits: str | None) -> None:
    assert five_digits(text) == digits


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("ca", "CA"),
        ("California", "CA"),
        ("WASHINGTON", "WA"),
        ("D.C.", "DC"),
        ("puerto rico", "PR"),
        ("Ontario", None),
    ],
)
def test_states_are_known_by_code_and_name(text: str, code: str | None) -> None:
    state = state_named(text)
    assert (state and state.code) == code


def test_the_table_of_states_agrees_with_the_table_of_zips() -> None:
    zones: dict[str, Counter[str]] = {state.code: Counter() for state in STATES}
    for entry in zipcodes.list_all():  # type: ignore[no-untyped-call]
        if entry["timezone"] in zone_names() and entry["state"] in zones:
            zones[entry["state"]][entry["timezone"]] += 1
    for state in STATES:
        known = zones[state.code]
        if state.code in BETTER_KNOWN:
            continue
        assert state.zone == (known.most_common(1)[0][0] if known else None), state
        assert state.split == (len(known) > 1), state
