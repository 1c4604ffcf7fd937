"""What operators look at, as tables that a terminal and a dashboard print alike: ids and counts, nobody's name."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nolapse.delivery.dead_letters import Finding
from nolapse.delivery.holds import Decision, Hold
from nolapse.delivery.resend import Unsent
from nolapse.delivery.suppressions import Suppressed


@dataclass(frozen=True, slots=True)
class Button:
    """`event` is what the dashboard sends when it was pressed and the question was answered with yes."""

    label: str
    event: Mapping[str, object]
    question: str


@dataclass(frozen=True, slots=True)
class Table:
    """`buttons`: of each row, in its order; none at all, or as many as there are rows."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]] = ()
    buttons: Sequence[Sequence[Button]] = ()
    note: str = ""


def holds_table(holds: Sequence[Hold], now: datetime) -> Table:
    return Table(
        "Held for a human",
        ("Tenant", "Notification", "About", "Person", "Why", "For", "Attempts"),
        [
            (
                hold.tenant,
                hold.key.hex(),
                f"{hold.event} {hold.subject_id}",
                str(hold.clinician_id),
                hold.why,
                age(now - hold.since),
                "; ".join(hold.attempts) or "none",
            )
            for hold in holds
        ],
        [
            [
                Button(
                    label,
                    {"action": "holds.resolve", "key": hold.key.hex(), "decision": decision.value},
                    f"{question} This is written to the audit log.",
                )
                for decision, label, question in (
                    (Decision.SENT, "It left", "Is it certain that the message left?"),
                    (Decision.SEND_AGAIN, "Send again", "Is it certain that it did not leave?"),
                    (Decision.DROP, "Drop", "Is it not wanted any more?"),
                )
            ]
            for hold in holds
        ],
        note="" if holds else "Nothing waits for a human.",
    )


def suppressions_table(suppressed: Sequence[Suppressed], now: datetime) -> Table:
    return Table(
        "Addresses that are sent nothing",
        ("Suppression", "Tenant", "Channel", "Why", "For", "Address"),
        [
            (
                str(each.suppression_id),
                each.tenant,
                each.channel,
                each.reason.value,
                age(now - each.since),
                each.address_sha256.hex()[:12],
            )
            for each in suppressed
        ],
        note="" if suppressed else "No address is suppressed.",
    )


def unsent_table(title: str, unsent: Sequence[Unsent]) -> Table:
    counts = Counter((each.tenant, each.event, each.status, each.reason) for each in unsent)
    rows = [(*kind, f"{count:,}") for kind, count in sorted(counts.items())]
    if len(rows) > 1:
        rows.append(("in all", "", "", "", f"{counts.total():,}"))
    return Table(
        title,
        ("Tenant", "Event", "Status", "Reason", "Notifications"),
        rows,
        note="" if unsent else "Nothing is to be sent again.",
    )


def depths_table(depths: Mapping[str, int], findings: Sequence[Finding], now: datetime) -> Table:
    oldest: dict[str, datetime] = {}
    listed: dict[str, list[str]] = {name: [] for name in depths}
    for each in findings:
        listed[each.queue].append(each.letter.message_id)
        oldest[each.queue] = min(oldest.get(each.queue, now), each.letter.sent_at)
    return Table(
        "Dead-letter queues",
        ("Queue", "Letters", "Oldest"),
        [
            (name, f"{depth:,}", age(now - oldest[name]) if name in oldest else "")
            for name, depth in depths.items()
        ],
        [
            [
                Button(
                    "Redrive",
                    {"action": "dlq.redrive", "queue": name},
                    f"Let rows that are still queued wait again, and drop the other letters of {name}?",
                ),
                Button(
                    "Purge",
                    {"action": "dlq.purge", "queue": name, "letters": listed[name]},
                    f"Delete the {len(listed[name]):,} letters of {name} that are listed below?",
                ),
            ]
            if listed[name]
            else []
            for name in depths
        ],
    )


def letters_table(title: str, findings: Sequence[Finding], now: datetime) -> Table:
    return Table(
        title,
        ("Queue", "Letter", "Age", "About", "Tenant", "Event", "State", "Redrive"),
        [
            (
                each.queue,
                each.letter.message_id,
                age(now - each.letter.sent_at),
                _about(each),
                each.tenant or "",
                each.event or "",
                each.state,
                each.fate.value,
            )
            for each in findings
        ],
        note="" if findings else "No letters.",
    )


def fates_table(title: str, findings: Sequence[Finding]) -> Table:
    counts = Counter((each.queue, each.state, each.fate.value) for each in findings)
    return Table(
        title,
        ("Queue", "State", "Letters", "Redrive"),
        [(queue, state, f"{count:,}", fate) for (queue, state, fate), count in sorted(counts.items())],
        note="" if findings else "No letters.",
    )


def age(span: timedelta) -> str:
    """Its two largest units; a clock that runs ahead makes nothing younger than now."""
    minutes = max(0, int(span.total_seconds() // 60))
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _about(finding: Finding) -> str:
    if finding.letter.about:
        return finding.letter.about.key
    return finding.letter.arn.rpartition(":function:")[2] if finding.letter.arn else ""
