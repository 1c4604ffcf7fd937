"""What a reconciliation can find wrong, and what became of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

MOST_SUBJECTS = 20


class Kind(StrEnum):
    # The schedule against a recomputation from the dates.
    MISSING_ROWS = "missing_rows"
    WRONGLY_CANCELLED_ROWS = "wrongly_cancelled_rows"
    DISTORTED_ROWS = "distorted_rows"
    UNCALLED_FOR_ROWS = "uncalled_for_rows"
    MISATTRIBUTED_ROWS = "misattributed_rows"
    WRONG_DOSES = "wrong_doses"
    # The schedule against its attempts and the registers.
    SENT_WITHOUT_ATTEMPT = "sent_without_attempt"
    DOUBLE_SENDS = "double_sends"
    ACCEPTED_BUT_UNSENT = "accepted_but_unsent"
    ATTEMPTED_BUT_WAITING = "attempted_but_waiting"
    IN_FLIGHT_WITHOUT_ATTEMPT = "in_flight_without_attempt"
    STUCK_IN_QUEUE = "stuck_in_queue"
    STUCK_IN_SENDING = "stuck_in_sending"
    UNCOUNTED_ATTEMPTS = "uncounted_attempts"
    LATE_TOO_EARLY = "late_too_early"
    ORPHANED_ROWS = "orphaned_rows"
    ORPHANED_ATTEMPTS = "orphaned_attempts"
    # The ground that both stand on.
    BROKEN_AUDIT_CHAIN = "broken_audit_chain"
    OTHER_TZDATA = "other_tzdata"


EXPLANATION: Mapping[Kind, str] = {
    Kind.MISSING_ROWS: "called for and promised, but not there: planned again",
    Kind.WRONGLY_CANCELLED_ROWS: "cancelled although called for: revived",
    Kind.DISTORTED_ROWS: "waiting with another window, policy or channel than called for: restored",
    Kind.UNCALLED_FOR_ROWS: "waiting although nothing calls for it: cancelled",
    Kind.MISATTRIBUTED_ROWS: "naming somebody else than its key was made of: put right",
    Kind.WRONG_DOSES: "medications whose stored doses are not what they recur to: expanded anew",
    Kind.SENT_WITHOUT_ATTEMPT: "sent without an accepted attempt: did it leave? Held for a human",
    Kind.DOUBLE_SENDS: "accepted twice: a person was told twice. Held for a human",
    Kind.ACCEPTED_BUT_UNSENT: "accepted by a provider, but not marked as sent: marked",
    Kind.ATTEMPTED_BUT_WAITING: "may have left, but waits to be sent: the provider is asked first",
    Kind.IN_FLIGHT_WITHOUT_ATTEMPT: "in flight without an attempt to ask about. Held for a human",
    Kind.STUCK_IN_QUEUE: "queued far longer than a queue lasts, or before its time: waits again",
    Kind.STUCK_IN_SENDING: "being sent far longer than a lease lasts: the provider is asked",
    Kind.UNCOUNTED_ATTEMPTS: "waiting with fewer attempts counted than made: counted",
    Kind.LATE_TOO_EARLY: "called late before its window closed: cancelled, and revived as on time",
    Kind.ORPHANED_ROWS: "waiting for a licence or date that was deleted under it: cancelled",
    Kind.ORPHANED_ATTEMPTS: "an attempt whose notification is gone and not called for",
    Kind.BROKEN_AUDIT_CHAIN: "entries of the audit log changed, removed or cut off",
    Kind.OTHER_TZDATA: "zones loaded from another tzdata than the pinned one: maintenance reloads them",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`found` contradictions of one kind, of which some were `healed` and some `held` for a human.

    `subjects` names the first of them, as the audit log does.
    """

    kind: Kind
    found: int
    healed: int = 0
    held: int = 0
    subjects: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """Neither healed nor held: reported every night until somebody acts."""
        return self.found - self.healed - self.held

    def __str__(self) -> str:
        parts = [(self.healed, "healed"), (self.held, "held"), (self.left, "left")]
        return f"{self.kind} {self.found} (" + ", ".join(f"{n} {what}" for n, what in parts if n) + ")"


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """One reconciliation. `changes` are the rows that planning changed, by what and to which status; `horizon` is
    what is promised from now on, `audit_end` (`seq:hash`) where the audit chain ends.
    """

    findings: tuple[Finding, ...]
    changes: Mapping[str, int]
    drift: int
    horizon: datetime
    audit_end: str

    @property
    def counts(self) -> dict[str, int | str]:
        """For heartbeat, log and metrics; a kind that was not found has no count."""
        return {
            **self.changes,
            **{finding.kind.value: finding.found for finding in self.findings},
            "drift": self.drift,
            "unhealed": sum(finding.held + finding.left for finding in self.findings),
            "horizon": self.horizon.isoformat(),
            "audit_end": self.audit_end,
        }


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One finding per kind, in the order of Kind; what was not found is left out."""
    by_kind: dict[Kind, Finding] = {}
    for finding in findings:
        before = by_kind.get(finding.kind, Finding(finding.kind, 0))
        by_kind[finding.kind] = Finding(
            finding.kind,
            before.found + finding.found,
            before.healed + finding.healed,
            before.held + finding.held,
            (before.subjects + finding.subjects)[:MOST_SUBJECTS],
        )
    return tuple(by_kind[kind] for kind in Kind if kind in by_kind and by_kind[kind].found)


def summary(drift: int, findings: Iterable[Finding]) -> str:
    return "; ".join([f"drift {drift}", *map(str, findings)])
