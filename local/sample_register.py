"""The demo's register: generated, the same every time, and as untidy as real ones are.

1,000 clinicians of four clinics hold 1,500 licences: every US zone and a few abroad, clusters at month ends,
dates long past, and some rows that no import can take.
"""

import csv
import random
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

START = date(2026, 10, 26)  # a Monday; the clocks of the US change on the Sunday after
CLINICIANS = 1_000
LICENSES = 1_500
SEED = 2026

COLUMNS = (
    "tenant", "person_id", "full_name", "email", "phone", "zip", "timezone",
    "license_type", "license_number", "state", "expiration_date", "status",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleTenant:
    slug: str
    name: str
    timezone: str


TENANTS = (
    SampleTenant("harbor-health", "Harbor Health", "America/New_York"),
    SampleTenant("prairie-clinics", "Prairie Clinics", "America/Chicago"),
    SampleTenant("pacific-care", "Pacific Care Group", "America/Los_Angeles"),
    SampleTenant("northern-lights", "Northern Lights Telehealth", "America/Anchorage"),
)

# (state, ZIP or "", zone as the register gives it or ""): the import has to find the zone from what there is.
PLACES = (
    ("NY", "10027", ""), ("MA", "2139", ""), ("FL", "33101", ""), ("FL", "32401", ""), ("MI", "48201", ""),
    ("IN", "46204", ""), ("KY", "42101", ""), ("IL", "60614", ""), ("TX", "77002", ""), ("TX", "79901", ""),
    ("TN", "37902", ""), ("ND", "58601", ""), ("CO", "80202", ""), ("AZ", "85004", ""), ("AZ", "86515", ""),
    ("ID", "83702", ""), ("OR", "97914", ""), ("CA", "94110", ""), ("WA", "98101-2044", ""), ("NV", "89101", ""),
    ("AK", "99501", ""), ("AK", "99546", ""), ("HI", "96813", ""), ("PR", "00901", ""), ("GU", "96910", ""),
    ("AS", "96799", ""), ("VI", "00802", ""), ("CA", "", ""), ("OH", "", ""), ("", "", ""),
    ("NY", "", "Europe/London"), ("CA", "", "Asia/Kolkata"), ("WA", "", "Australia/Sydney"),
    ("TX", "", "America/Sao_Paulo"), ("CA", "", "Pacific/Auckland"),
)  # fmt: skip

TYPES = ("RN", "MD", "DO", "PharmD", "LPN", "PA", "DEA registration", "BLS certification")
GIVEN = (
    "Ada", "Amara", "Ben", "Chidi", "Dana", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Keiko", "Liam",
    "Mei", "Noor", "Omar", "Priya", "Rosa", "Sven", "Tala", "Uma", "Victor", "Wren", "Ximena", "Yusuf", "Zoë",
)  # fmt: skip
FAMILY = (
    "Abara", "Berg", "Castillo", "Dubois", "Eriksen", "Fontaine", "Garcia", "Haddad", "Ivanov", "Johnson", "Kim",
    "Lindqvist", "Mensah", "Nguyen", "O'Neill", "Patel", "Quintero", "Rossi", "Sato", "Tran", "Ueda", "Vargas",
    "Weiss", "Xu", "Young", "Zhang",
)  # fmt: skip


def write_register(path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows())


def rows() -> Iterator[dict[str, str]]:
    dice = random.Random(SEED)
    people = [_person(number, dice) for number in range(CLINICIANS)]
    for number in range(LICENSES):
        # everybody holds one, some hold two
        person = people[number] if number < CLINICIANS else dice.choice(people)
        yield person | _license(number, dice)
    yield from _untidy(people)


def _person(number: int, dice: random.Random) -> dict[str, str]:
    state, zip_code, zone = PLACES[number % len(PLACES)]
    given, family = dice.choice(GIVEN), dice.choice(FAMILY)
    reachable = dice.random() > 0.05  # noqa: PLR2004  one in twenty has no address: their clinic is told
    return {
        "tenant": TENANTS[number % len(TENANTS)].slug,
        "person_id": f"P-{number:04}",
        "full_name": f"{given} {family}",
        "email": f"{given}.{family}.{number}@clinicians.example.test".replace("'", "").lower()
        if reachable
        else "",
        "phone": f"(212) 555-01{number % 100:02}",
        "zip": zip_code,
        "timezone": zone,
        "state": state,
    }


def _license(number: int, dice: random.Random) -> dict[str, str]:
    return {
        "license_type": dice.choice(TYPES),
        "license_number": f"{dice.choice('ABCDEFGH')}{100_000 + number * 7}",
        "expiration_date": _expiration(dice),
        "status": dice.choices(("Active", "Inactive", "Surrendered"), (94, 4, 2))[0],
    }


def _expiration(dice: random.Random) -> str:
    kind = dice.choices(("month end", "any day", "long past", "none"), (55, 35, 7, 3))[0]
    if kind == "none":
        return dice.choice(("", "N/A", "PERPETUAL"))
    if kind == "long past":
        return _us(date(dice.randint(2012, 2025), dice.randint(1, 12), dice.randint(1, 28)))
    day = START + timedelta(days=dice.randint(-30, 150) if dice.random() < 0.6 else dice.randint(150, 700))  # noqa: PLR2004
    return _us(day.replace(day=monthrange(day.year, day.month)[1]) if kind == "month end" else day)


def _us(day: date) -> str:
    return f"{day:%m/%d/%Y}"


def _untidy(people: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """Rows that are rejected with a reason, folded into another, or taken with a warning."""
    sound = {
        "license_type": "RN",
        "license_number": "Z900001",
        "expiration_date": "01/31/2027",
        "status": "Active",
    }
    yield people[0] | sound | {"expiration_date": "02/30/2027"}
    yield people[1] | sound | {"expiration_date": "01/31/2207"}
    yield people[2] | sound | {"license_number": ""}
    yield people[3] | sound | {"expiration_date": "soon"}
    yield people[4] | sound | {"license_number": "Z900002", "timezone": "Mars/Olympus_Mons"}
    yield people[5] | sound | {"license_number": "Z900003", "email": "not an address"}
    yield people[6] | sound | {"license_number": "Z900004", "phone": "call me"}
    yield people[7] | sound | {"license_number": "Z900005", "expiration_date": "01/31/2025"}
    yield people[7] | sound | {"license_number": "Z900005"}
    yield people[8] | sound | {"license_number": "Z900006", "tenant": "no-such-clinic"}
