"""The states of a notification and its legal transitions, as data.

The same stands in docs/state-machine.md and in the database's notification_transition (migrations 0004,
0011, 0013, 0015, 0016 and 0027), whose trigger refuses everything else; a test holds the three together.
"""

from enum import StrEnum


class Status(StrEnum):
    PENDING = "PENDING"
    LATE_PENDING = "LATE_PENDING"
    QUEUED = "QUEUED"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    HELD = "HELD"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    BOUNCED = "BOUNCED"
    DEFERRED = "DEFERRED"
    CANCELLED = "CANCELLED"
    SUPPRESSED = "SUPPRESSED"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    # Sent, from whatever waits: a receipt proves that an attempt left which had been given up for lost.
    Status.PENDING: frozenset(
        {Status.QUEUED, Status.LATE_PENDING, Status.CANCELLED, Status.SUPPRESSED, Status.SENT}
    ),
    Status.LATE_PENDING: frozenset({Status.QUEUED, Status.CANCELLED, Status.SUPPRESSED, Status.SENT}),
    # Back to waiting: its message was lost, or nothing can take it now. Deferred: nothing ever will.
    # Suppressed: a flag holds it back.
    Status.QUEUED: frozenset(
        {Status.SENDING, Status.PENDING, Status.LATE_PENDING, Status.DEFERRED, Status.SUPPRESSED, Status.SENT}
    ),
    Status.SENDING: frozenset(
        {Status.SENT, Status.PENDING, Status.LATE_PENDING, Status.UNKNOWN, Status.DEFERRED}
    ),
    # Settled by a probe, or by the dispatcher's own answer when it comes after its lease ran out.
    Status.UNKNOWN: frozenset(
        {Status.SENT, Status.PENDING, Status.LATE_PENDING, Status.DEFERRED, Status.HELD}
    ),
    Status.HELD: frozenset({Status.SENT, Status.PENDING, Status.LATE_PENDING, Status.CANCELLED}),
    # Held: reconcile finds that it was sent twice, or that no attempt proves it was.
    Status.SENT: frozenset({Status.DELIVERED, Status.BOUNCED, Status.HELD}),
    # Expected again: the date that had moved away moved back.
    Status.CANCELLED: frozenset({Status.PENDING, Status.LATE_PENDING, Status.SUPPRESSED}),
    # Bounced: a mail system took it and gave it back.
    Status.DELIVERED: frozenset({Status.BOUNCED, Status.HELD}),
    # Waiting again: nobody was told, and there is another channel.
    Status.BOUNCED: frozenset({Status.PENDING, Status.LATE_PENDING, Status.HELD}),
    # A human sends it again, or nobody ever will: its person is erased.
    Status.DEFERRED: frozenset({Status.PENDING, Status.LATE_PENDING, Status.SENT, Status.CANCELLED}),
    Status.SUPPRESSED: frozenset({Status.PENDING, Status.LATE_PENDING}),
}
