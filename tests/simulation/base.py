"""The register of one run: a few clinics, people in zones whose clocks change meanwhile, dates that fall due.

Every name, address and number in it is a canary: none may be seen in a log, a metric or a queue.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from tests.simulation.weather import Kind

CANARIES = ("quackenbush", "zebulon", "qx77", "canary.test", "2125550")

# Instants at which somebody's clock changes: half an hour on Lord Howe Island, an hour elsewhere.
CHANGES: dict[Kind, tuple[tuple[str, datetime], ...]] = {
    Kind.CLOCKS_FORWARD: (
        ("America/New_York", datetime(2027, 3, 14, 7, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2027, 3, 28, 1, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        ("America/St_Johns", datetime(2027, 3, 14, 5, 30, tzinfo=UTC)),
    ),
    Kind.CLOCKS_BACK: (
        ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2027, 4, 3, 15, tzinfo=UTC)),
        ("America/St_Johns", datetime(2026, 11, 1, 4, 30, tzinfo=UTC)),
    ),
}
ZONES = (
    "America/New_York",
    "America/Chicago",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "UTC",
)
STEPS = {"PRIMARY": -90, "SECONDARY": -30, "PAST_DUE": 7}
# By the platform's policy, e-mail alone.
CHANNELS = (["EMAIL"], ["EMAIL", "SMS"], ["EMAIL", "SMS"], ["SMS", "EMAIL"], ["SMS"])
AT_LEAST_ONCE = ([], ["EMAIL"], ["SMS"], ["EMAIL", "SMS"])
DAYTIME, SMALL_HOURS = ("08:00", "12:00"), ("01:45", "03:15")
BIRTHDAY = [
    {"event": "BIRTHDAY", "days": 0, "template": "birthday", "channels": ["EMAIL"], "recipients": ["HOLDER"]}
]
OLDEST = 18

TENANT = text("""
INSERT INTO tenants (tenant_id, slug, name, timezone, contact_email, at_least_once)
VALUES (:id, :slug, :name, :zone, :contact, :again)
""")
CLINICIAN = text("""
INSERT INTO clinicians (clinician_id, tenant_id, external_id, full_name, email, phone, timezone, supervisor_id)
VALUES (:id, :tenant, :name, :name, :email, :phone, :zone, :supervisor)
""")
LICENSE = text("""
INSERT INTO licenses (license_id, tenant_id, clinician_id, license_type, state, license_number, expires_on)
VALUES (:id, :tenant, :clinician, :type, 'NY', :number, :expires)
""")
PERSON_DATE = text("""
INSERT INTO person_dates (person_date_id, tenant_id, clinician_id, kind, on_date)
VALUES (:id, :tenant, :clinician, 'BIRTHDAY', :on)
""")
POLICY = text("""
INSERT INTO renewal_policies (policy_id, tenant_id, occasion, name) VALUES (:id, :tenant, :occasion, :occasion)
""")
VERSION = text("""
INSERT INTO policy_version (policy_id, version, tenant_id, status, steps, opens, closes)
VALUES (:id, 1, :tenant, 'ACTIVE', CAST(:steps AS jsonb), :opens, :closes)
""")


@dataclass(frozen=True, slots=True)
class Period:
    """The days that a run is about, and the zone whose clocks change in them."""

    start: datetime
    length: timedelta
    zone: str | None = None

    @property
    def end(self) -> datetime:
        return self.start + self.length


def month(seed: int) -> datetime:
    """The same for ten seeds in a row: the base needs no other partitions for each of them."""
    numbers = random.Random(f"month {seed // 10}").randrange(10) + 6
    return datetime(2026 + numbers // 12, numbers % 12 + 1, 1, tzinfo=UTC)


def changes(seed: int) -> dict[Kind, list[tuple[str, datetime]]]:
    """Whose clocks change in that month, by how."""
    first = month(seed)
    within = {
        kind: [each for each in listed if each[1].month == first.month] for kind, listed in CHANGES.items()
    }
    return {kind: listed for kind, listed in within.items() if listed}


def period(seed: int, kinds: set[Kind], length: timedelta) -> Period:
    dice = random.Random(f"period {seed}")
    changing = [change for kind, listed in changes(seed).items() if kind in kinds for change in listed]
    if changing:
        zone, at = dice.choice(changing)
        return Period(at - timedelta(minutes=dice.randint(10, 30 * 60)), length, zone)
    return Period(month(seed) + timedelta(minutes=dice.randint(0, 28 * 24 * 60)), length)


# A Monday morning; who lives by UTC is told from 08:00 to 12:00.
START = datetime(2026, 10, 26, 6, tzinfo=UTC)
DAY = Period(START, timedelta(days=1))
EXPIRES = date(2026, 11, 25)


def people(connection: Connection, number: int, channel: str = "EMAIL") -> None:
    """Each with a licence whose SECONDARY reminder falls due on that Monday."""
    tenant = connection.scalar(
        text(
            "INSERT INTO tenants (slug, name, timezone, contact_email)"
            " VALUES ('harbor', 'Harbor', 'UTC', 'desk@canary.test') RETURNING tenant_id"
        )
    )
    connection.execute(
        text(
            "INSERT INTO clinicians (tenant_id, external_id, full_name, email, phone)"
            " SELECT :tenant, number, 'Zebulon ' || number, number || '@canary.test', '+1212555' || 1000 + number"
            " FROM generate_series(1, :number) AS number"
        ),
        {"tenant": tenant, "number": number},
    )
    connection.execute(
        text(
            "INSERT INTO licenses (tenant_id, clinician_id, license_type, license_number, expires_on)"
            " SELECT tenant_id, clinician_id, 'RN', 'QX77-' || external_id, :expires FROM clinicians"
        ),
        {"expires": EXPIRES},
    )
    register = Register(connection, random.Random(0), DAY)
    register.policy(tenant, "LICENSE_EXPIRY", steps([channel]), DAYTIME)


def fill(connection: Connection, seed: int, when: Period, people: int) -> None:
    """Two clinics, one with a window of its own in the small hours, and the dates of their people.

    Each has channels of its own, and its own mind about what nobody can tell: again, or not.
    """
    dice = random.Random(f"base {seed}")
    register = Register(connection, dice, when)
    register.policy(None, "BIRTHDAY", BIRTHDAY, ("09:00", "12:00"))
    for number, slug in enumerate(("harbor", "night-shift")):
        tenant = register.tenant(slug, number)
        channels = dice.choice(CHANNELS)
        if slug == "night-shift":
            register.policy(tenant, "LICENSE_EXPIRY", steps(channels), SMALL_HOURS)
        elif channels != ["EMAIL"]:
            register.policy(tenant, "LICENSE_EXPIRY", steps(channels), DAYTIME)
        leader: UUID | None = None
        for person in range(people // 2):
            leader = register.person(tenant, f"{number}-{person}", leader)


def steps(channels: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "event": event, "days": days, "template": event.lower(), "channels": channels,
            "recipients": ["HOLDER", "SUPERVISOR"] if event == "SECONDARY" else ["HOLDER"],
        }
        for event, days in STEPS.items()
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Register:
    """Every id is drawn from the dice, so that the same seed makes the same keys."""

    connection: Connection
    dice: random.Random
    when: Period

    @property
    def zones(self) -> tuple[str, ...]:
        return (*ZONES, *([self.when.zone] * 4 if self.when.zone else []))

    def policy(
        self, tenant: UUID | None, occasion: str, steps: list[dict[str, Any]], hours: tuple[str, str]
    ) -> None:
        policy = self._insert(POLICY, tenant=tenant, occasion=occasion)
        opens, closes = hours
        self.connection.execute(
            VERSION,
            {"id": policy, "tenant": tenant, "steps": json.dumps(steps), "opens": opens, "closes": closes},
        )

    def tenant(self, slug: str, number: int) -> UUID:
        return self._insert(
            TENANT,
            slug=slug,
            name=f"Clinic {number}",
            zone=self.when.zone or self.dice.choice(ZONES),
            contact=f"desk{number}@canary.test",
            again=self.dice.choice(AT_LEAST_ONCE),
        )

    def person(self, tenant: UUID, label: str, leader: UUID | None) -> UUID:
        """Also returns who leads the next: the first of a clinic leads all."""
        person = self._insert(
            CLINICIAN,
            tenant=tenant,
            name=f"Zebulon Quackenbush {label}",
            email=f"quackenbush.{label}@canary.test" if self._likely(0.8) else None,
            phone=f"+12125550{label.replace('-', '')}" if self._likely(0.8) else None,
            zone=self.dice.choice(self.zones) if self._likely(0.8) else None,
            supervisor=leader,
        )
        for index, expires in enumerate(self._expiries()):
            number = f"QX77-{label}-{index}"
            # No two texts to one number are alike: an SMS bears nothing else to tell it by.
            self._insert(
                LICENSE,
                tenant=tenant,
                clinician=person,
                type=f"RN {label}-{index}",
                number=number,
                expires=expires,
            )
        if self._likely(0.3):
            self._insert(PERSON_DATE, tenant=tenant, clinician=person, on=self._day(1).replace(year=1980))
        return leader or person

    def _expiries(self) -> Iterator[date]:
        """Mostly dates that call for something in these days; some that did before, and old ones."""
        for _ in range(self.dice.choice((1, 1, 2, 3))):
            step = self.dice.choice(list(STEPS.values()))
            yield self._day(OLDEST if self._likely(0.3) else 1) - timedelta(days=step)

    def _day(self, most_before: int) -> date:
        days = self.dice.randint(-most_before, self.when.length.days + 1)
        return self.when.start.date() + timedelta(days=days)

    def _likely(self, probability: float) -> bool:
        return self.dice.random() < probability

    def _insert(self, statement: TextClause, **values: Any) -> UUID:
        identity = UUID(int=self.dice.getrandbits(128), version=4)
        self.connection.execute(statement, {"id": identity, **values})
        return identity
