"""What became of one attempt to send: typed values, never exceptions in disguise."""

from dataclasses import dataclass
from datetime import timedelta

# In an attempt's code: no answer of the provider's, but an error of its SDK's or of ours.
BROKE = "broke:"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message and named it; receipts will carry the same id."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The provider will never take this message: another try with the same provider is pointless."""

    code: str


@dataclass(frozen=True, slots=True)
class RetrySafe:
    """The message certainly did not leave (refused connection, 429): trying again cannot duplicate it."""

    code: str
    delay: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The request left and its answer is missing or untrustworthy (timeout, 5xx): ask before trying again.

    `handle`: what the vendor had called the message by then, for the probe.
    """

    code: str
    handle: str | None = None


Outcome = Accepted | Rejected | RetrySafe | Unknown


@dataclass(frozen=True, slots=True)
class NotFound:
    """A probe's answer: the provider knows no message with this key."""


ProbeResult = Accepted | NotFound | Unknown
