"""States, districts and territories of the United States: USPS codes, names and time zones.

Codes: USPS Publication 28, appendix B. Zones: 49 CFR part 71; `split` marks those that keep more than one,
where `zone` is the one most people live in.
"""

from dataclasses import dataclass
from functools import cache, lru_cache

# Of a state as a licence has it, a code or the name of what issued it elsewhere.
LONGEST_STATE = 50


@dataclass(frozen=True, slots=True)
class State:
    code: str
    name: str
    zone: str | None
    split: bool = False


STATES = (
    State("AL", "Alabama", "America/Chicago"),
    State("AK", "Alaska", "America/Anchorage", split=True),
    State("AZ", "Arizona", "America/Phoenix", split=True),
    State("AR", "Arkansas", "America/Chicago"),
    State("CA", "California", "America/Los_Angeles"),
    State("CO", "Colorado", "America/Denver"),
    State("CT", "Connecticut", "America/New_York"),
    State("DE", "Delaware", "America/New_York"),
    State("DC", "District of Columbia", "America/New_York"),
    State("FL", "Florida", "America/New_York", split=True),
    State("GA", "Georgia", "America/New_York"),
    State("HI", "Hawaii", "Pacific/Honolulu"),
    State("ID", "Idaho", "America/Boise", split=True),
    State("IL", "Illinois", "America/Chicago"),
    State("IN", "Indiana", "America/Indiana/Indianapolis", split=True),
    State("IA", "Iowa", "America/Chicago"),
    State("KS", "Kansas", "America/Chicago", split=True),
    State("KY", "Kentucky", "America/New_York", split=True),
    State("LA", "Louisiana", "America/Chicago"),
    State("ME", "Maine", "America/New_York"),
    State("MD", "Maryland", "America/New_York"),
    State("MA", "Massachusetts", "America/New_York"),
    State("MI", "Michigan", "America/Detroit", split=True),
    State("MN", "Minnesota", "America/Chicago"),
    State("MS", "Mississippi", "America/Chicago"),
    State("MO", "Missouri", "America/Chicago"),
    State("MT", "Montana", "America/Denver"),
    State("NE", "Nebraska", "America/Chicago", split=True),
    State("NV", "Nevada", "America/Los_Angeles", split=True),
    State("NH", "New Hampshire", "America/New_York"),
    State("NJ", "New Jersey", "America/New_York"),
    State("NM", "New Mexico", "America/Denver"),
    State("NY", "New York", "America/New_York"),
    State("NC", "North Carolina", "America/New_York"),
    State("ND", "North Dakota", "America/Chicago", split=True),
    State("OH", "Ohio", "America/New_York"),
    State("OK", "Oklahoma", "America/Chicago"),
    State("OR", "Oregon", "America/Los_Angeles", split=True),
    State("PA", "Pennsylvania", "America/New_York"),
    State("RI", "Rhode Island", "America/New_York"),
    State("SC", "South Carolina", "America/New_York"),
    State("SD", "South Dakota", "America/Chicago", split=True),
    State("TN", "Tennessee", "America/Chicago", split=True),
    State("TX", "Texas", "America/Chicago", split=True),
    State("UT", "Utah", "America/Denver"),
    State("VT", "Vermont", "America/New_York"),
    State("VA", "Virginia", "America/New_York"),
    State("WA", "Washington", "America/Los_Angeles"),
    State("WV", "West Virginia", "America/New_York"),
    State("WI", "Wisconsin", "America/Chicago"),
    State("WY", "Wyoming", "America/Denver"),
    State("AS", "American Samoa", "Pacific/Pago_Pago"),
    State("GU", "Guam", "Pacific/Guam"),
    State("MP", "Northern Mariana Islands", "Pacific/Saipan"),
    State("PR", "Puerto Rico", "America/Puerto_Rico"),
    State("VI", "Virgin Islands", "America/St_Thomas"),
    State("FM", "Federated States of Micronesia", None),
    State("MH", "Marshall Islands", "Pacific/Majuro"),
    State("PW", "Palau", "Pacific/Palau"),
    State("AA", "Armed Forces Americas", None),
    State("AE", "Armed Forces Europe", None),
    State("AP", "Armed Forces Pacific", None),
)

OTHER_NAMES = {
    "washington dc": "DC",
    "d c": "DC",
    "washington state": "WA",
    "us virgin islands": "VI",
    "u s virgin islands": "VI",
    "commonwealth of puerto rico": "PR",
}


@cache
def state_named(text: str) -> State | None:
    """The state that `text` names by its code or in words, in any case and punctuation."""
    plain = " ".join("".join(letter if letter.isalpha() else " " for letter in text.casefold()).split())
    return _by_name().get(OTHER_NAMES.get(plain, plain).casefold())


@lru_cache(maxsize=4096)
def state_code(text: str) -> str:
    """The USPS code; a text that names no state of the US stays, in capitals."""
    capitals = text.upper()
    state = state_named(capitals)
    return state.code if state else capitals


@cache
def _by_name() -> dict[str, State]:
    return {key.casefold(): state for state in STATES for key in (state.code, state.name)}
