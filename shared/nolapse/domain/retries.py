"""What follows from an attempt's outcome: the state its notification goes to."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from nolapse.domain.outcomes import Accepted, NotFound, Outcome, Rejected, RetrySafe
from nolapse.domain.states import Status

RETRY_DELAYS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """`outcome`, `code` and `message_id` go to the attempt; the rest to its notification."""

    outcome: str
    code: str | None
    message_id: str | None
    status: Status
    reason: str | None = None
    next_attempt_at: datetime | None = None


def judge(
    outcome: Outcome | NotFound, *, attempt_number: int, late: bool, now: datetime, jitter: float
) -> Verdict:
    """The verdict on one attempt; `jitter` in [0, 1) spreads retries that would come back together."""
    waiting = Status.LATE_PENDING if late else Status.PENDING
    match outcome:
        case Accepted(message_id):
            return Verdict("ACCEPTED", None, message_id, Status.SENT)
        case Rejected(code):
            return Verdict("REJECTED", code, None, Status.DEFERRED, f"rejected: {code}")
        case RetrySafe(code, delay):
            if attempt_number > len(RETRY_DELAYS):
                return Verdict("RETRY_SAFE", code, None, Status.DEFERRED, f"retries spent: {code}")
            pause = max(RETRY_DELAYS[attempt_number - 1], delay or timedelta())
            return Verdict(
                "RETRY_SAFE", code, None, waiting, next_attempt_at=now + pause * (1 + JITTER * jitter)
            )
        case NotFound():
            return Verdict("NOT_FOUND", None, None, waiting, next_attempt_at=now)
        case _:
            return Verdict("UNKNOWN", outcome.code, None, Status.UNKNOWN)
