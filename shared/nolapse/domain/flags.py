"""Feature flags: what a flag says of one notification, and who belongs to which cohort."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

# What the reason of a notification that a flag held back begins with; storage/sql/unsent.sql knows it too.
HELD_BY_FLAG = "flag: "
# Cohorts are cut to a hundredth of a percent.
BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Send:
    """No flag has a word against it."""


@dataclass(frozen=True, slots=True)
class HoldBack:
    """It must not leave, by the flag of this name."""

    flag: str

    @property
    def reason(self) -> str:
        return f"{HELD_BY_FLAG}{self.flag}"


@dataclass(frozen=True, slots=True)
class OpsOnly:
    """Operators are told instead of the person, by the flag of this name."""

    flag: str

    @property
    def reason(self) -> str:
        return f"{HELD_BY_FLAG}{self.flag}, ops only"


Decision = Send | HoldBack | OpsOnly


@dataclass(frozen=True, slots=True)
class Candidate:
    """A notification about to leave, as rules see it.

    `tenant` is a slug; `state` is the licence's, None where it is about none; the first of `channels` is preferred.
    """

    key: bytes
    scheduled_at: datetime
    tenant: str
    person_id: str
    occasion: str
    event: str
    channels: tuple[str, ...]
    state: str | None = None

    @property
    def context(self) -> dict[str, object]:
        """What is not known is left out: a rule that asks for it then matches nobody."""
        known = {
            "tenant": self.tenant,
            "state": self.state,
            "person_id": self.person_id,
            "occasion": self.occasion,
            "event": self.event,
            "channel": self.channels[0],
            "channels": list(self.channels),
        }
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, slots=True)
class HeldBack:
    candidate: Candidate
    decision: HoldBack | OpsOnly


def within(flag: str, person_id: str, percent: float) -> bool:
    """Whether a person belongs to the first `percent` of all for this flag.

    Stable: a growing percentage only adds people. Salted by the flag: not always the same people go first.
    """
    digest = hashlib.sha256(f"{flag}:{person_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % BUCKETS < percent * BUCKETS / 100
