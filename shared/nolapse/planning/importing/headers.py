"""What a column's header says it holds: headers in many spellings, brought to one and looked up.

`LIC_EXPIR_DD`, `ExpirationDate` and `licence exp. date` all become words of one vocabulary; `fields_of` lists
the fields that a header may mean, with a rank, 0 meaning it says so plainly.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from itertools import product


class Field(StrEnum):
    """What a register's row can tell; the values are what a mapping calls them."""

    LICENSE_NUMBER = "license_number"
    LICENSE_TYPE = "license_type"
    STATE = "state"
    STATUS = "status"
    EXPIRES_ON = "expires_on"
    TENANT = "tenant"
    PERSON_ID = "person_id"
    FULL_NAME = "full_name"
    FIRST_NAME = "first_name"
    MIDDLE_NAME = "middle_name"
    LAST_NAME = "last_name"
    NAME_SUFFIX = "name_suffix"
    EMAIL = "email"
    PHONE = "phone"
    WHATSAPP = "whatsapp"
    TIMEZONE = "timezone"
    ZIP = "zip"
    ADDRESS_STATE = "address_state"
    COUNTRY = "country"


REQUIRED = (Field.LICENSE_NUMBER, Field.EXPIRES_ON)

SPELLINGS = {
    "license": "lic lics lcns licence licenses licences licensure",
    "number": "nbr no num nr numbers",
    "expiration": "exp expir expire expires expiry expiring expired expiration",
    "date": "dt dd dte",
    "email": "emailaddress mail",
    "phone": "telephone tel cell mobile cellphone phones",
    "address": "addr",
    "zip": "zipcode postcode postal",
    "certificate": "cert certification",
    "registration": "reg registrations",
    "practitioner": "provider clinician",
    "type": "typ",
    "organization": "org organisation",
}
CANONICAL = {variant: word for word, variants in SPELLINGS.items() for variant in variants.split()}

PAPERS = ("license", "credential", "certificate", "permit", "registration")
PEOPLE = ("practitioner", "person", "employee", "staff", "licensee", "holder", "member", "contact")
FILLERS = {
    "license",
    "credential",
    "certificate",
    "permit",
    "registration",
    "term",
    "current",
    "on",
    "date",
    "at",
}
CONTACT_FILLERS = {
    "address",
    "number",
    "contact",
    "work",
    "primary",
    "business",
    "personal",
    "home",
    "office",
}
# A contact's word, and others that may stand beside it.
CONTACTS = {Field.EMAIL: ("email",), Field.PHONE: ("phone",), Field.WHATSAPP: ("whatsapp", "phone")}
NOT_HOLDERS = {
    "city",
    "county",
    "state",
    "country",
    "agency",
    "board",
    "school",
    "street",
    "file",
    "user",
    "type",
}
NOT_HOLDERS |= {"relationship", "middle", "first", "last", "license", "column", "program", "district", "town"}


def _each(papers: Iterable[str], *endings: str) -> tuple[str, ...]:
    return tuple(f"{paper} {ending}" for ending, paper in product(endings, papers))


# Phrases in the order of preference. A group in parentheses shares one rank.
PHRASES: dict[Field, tuple[tuple[str, ...] | str, ...]] = {
    Field.LICENSE_NUMBER: (
        "license number",
        *_each(PAPERS[1:], "number"),
        "professional license number",
        "license",
        *_each(PAPERS, "id"),
        "ubi",
        "number",
    ),
    Field.LICENSE_TYPE: (
        *_each(PAPERS, "type", "type name", "type description", "description", "class", "category"),
        ("profession", "profession name", "type of license", "discipline", "occupation"),
        ("credential", "license name", "type"),
        "industry",
        *_each(PAPERS, "type code", "code"),
    ),
    Field.STATE: (
        *_each(("license", "credential", "issuing", "licensing"), "state", "jurisdiction"),
        ("jurisdiction", "state of license", "state of issue", "state issued", "issue state"),
    ),
    Field.ADDRESS_STATE: (
        *_each(("address", "mailing", "home", "business", "residence", "practice"), "state", "address state"),
    ),
    Field.STATUS: (
        *_each(PAPERS, "status"),
        *_each(PAPERS, "status description"),
        ("status", "status description"),
        "status code",
    ),
    Field.EXPIRES_ON: (
        (),  # the rule in _expiration
        ("valid until", "valid through", "valid thru", "valid to", "good through", "good until"),
        ("renewal due", "renewal due date", "renew by", "renew by date"),
        (*_each(PAPERS, "end date"), "term end date", "end date", "license term end date"),
        ("close date", "closed date", "closing date"),
    ),
    Field.TENANT: ("tenant", "tenant slug", "tenant id"),
    Field.PERSON_ID: (*_each(PEOPLE, "id", "number"), "external id", "npi", "npi number", "account number"),
    Field.FULL_NAME: (
        "full name",
        *_each(PEOPLE, "name", "full name"),
        "name",
        ("licensee", "license holder"),
        *_each(
            ("legal", "legal business", "business", "organization", "company", "facility", "entity"), "name"
        ),
        ("doing business as name", "doing business as", "dba name", "dba", "trade name"),
    ),
    Field.FIRST_NAME: ("first name", "given name", "first", "forename", "fname"),
    Field.MIDDLE_NAME: ("middle name", "middle initial", "middle", "mi"),
    Field.LAST_NAME: ("last name", "surname", "family name", "last", "lname", "organization or last name"),
    Field.NAME_SUFFIX: ("name suffix", "suffix"),
    Field.TIMEZONE: ("timezone", "time zone", "iana timezone", "iana time zone", "tz"),
    Field.ZIP: (
        "zip",
        "zip code",
        *_each(("mailing", "home", "business", "practice", "address"), "zip", "zip code"),
    ),
    Field.COUNTRY: ("country", "country code", "country name"),
}
PLAIN_STATE = {"state", "state code", "st", "state province"}
ADDRESS_WORDS = {"city", "town", "street", "address"}

CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
REPEAT_MARK = re.compile(r" \(\d+\)$")


@cache
def words_of(header: str) -> tuple[str, ...]:
    """`lic_expir_dd` and `licexpirdate` as ("license", "expiration", "date")."""
    spaced = CAMEL_HUMP.sub(" ", REPEAT_MARK.sub("", header)).replace("#", " number ").lower()
    spaced = spaced.replace("e-mail", "email").replace("whats app", "whatsapp")
    tokens = re.findall(r"[a-z0-9]+", spaced)
    words = [word for token in tokens for word in _split(token)]
    return tuple(CANONICAL.get(word, word) for word in words)


@cache
def fields_of(header: str) -> dict[Field, int]:
    """The fields that `header` may mean, each with its rank: the lower, the plainer."""
    words = words_of(header)
    phrase = " ".join(words)
    found = {field: ranks[phrase] for field, ranks in _ranks().items() if phrase in ranks}
    if _expiration(words):
        found[Field.EXPIRES_ON] = 0
    for field, own in CONTACTS.items():
        if own[0] in words and set(words) <= {*own, *CONTACT_FILLERS, *PEOPLE}:
            found[field] = len(words)
    if not found and words[-1:] == ("name",) and not NOT_HOLDERS.intersection(words):
        found[Field.FULL_NAME] = len(_ranks()[Field.FULL_NAME])
    return found


def is_plain_state(header: str) -> bool:
    return " ".join(words_of(header)) in PLAIN_STATE


def is_address(header: str) -> bool:
    return bool(ADDRESS_WORDS.intersection(words_of(header))) and Field.EMAIL not in fields_of(header)


def _expiration(words: tuple[str, ...]) -> bool:
    return "expiration" in words and set(words) - {"expiration"} <= FILLERS


@cache
def _ranks() -> dict[Field, dict[str, int]]:
    return {
        field: {
            phrase: rank
            for rank, group in enumerate(groups)
            for phrase in ((group,) if isinstance(group, str) else group)
        }
        for field, groups in PHRASES.items()
    }


def _split(token: str) -> list[str]:
    """The words of a token that runs them together; a token with an unknown part stays whole."""
    return _segments(token) or [token]


def _segments(letters: str) -> list[str] | None:
    if not letters:
        return []
    for word in _vocabulary():
        if letters.startswith(word) and (rest := _segments(letters[len(word) :])) is not None:
            return [word, *rest]
    return None


@cache
def _vocabulary() -> list[str]:
    """Longest first, so that `expires` is not read as `exp` and a rest."""
    phrases = {word for ranks in _ranks().values() for phrase in ranks for word in phrase.split()}
    known = phrases | set(CANONICAL) | set(SPELLINGS) | {own[0] for own in CONTACTS.values()}
    long_enough = {word for word in known if len(word) > len("dd")}
    return sorted(long_enough | {"no", "dt", "id"}, key=len, reverse=True)
