"""Whether the invariants hold at the end of a run: what people received, by the doubles' own record, decides."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine, Row, text

from local.doubles.received import ReceivedEmail, ReceivedText
from local.proof import Called, Proof, Rules, called_for, may_leave, prove
from nolapse.domain.calendar import next_allowed
from nolapse.domain.routing import MOST_PROBES, RETRY_DELAYS
from nolapse.oversight.audit import verify_audit
from nolapse.runtime.bootstrap import runtime
from tests.simulation.base import CANARIES
from tests.simulation.edits import Past

TOLD = {"SENT", "DELIVERED", "BOUNCED"}
# Where a notification may end that was due. What waits for ever is lost, whatever its state says.
FINAL = {*TOLD, "DEFERRED", "SUPPRESSED"}

ROWS = text("""
SELECT encode(idempotency_key, 'hex') AS key, schedule.status, reason, late, window_end, scheduled_at,
       subject_id AS subject, clinician_id AS person, event, occurrence,
       'EMAIL' = ANY (channels) OR phone IS NOT NULL AS reachable
FROM notification_schedule AS schedule JOIN clinicians USING (clinician_id)
""")
ATTEMPTS = text("""
SELECT encode(idempotency_key, 'hex') AS key, coalesce(outcome, 'NONE') AS outcome, provider, started_at, probes,
  channel = ANY (at_least_once) AS again
FROM notification_outbox JOIN tenants USING (tenant_id) ORDER BY attempt_number
""")
# Entries of the log that do not begin where the one before them ended, and rows that are not where theirs end;
# a row that was lost and came back begins anew.
BROKEN_STORIES = text("""
WITH story AS (
  SELECT seq, subject, from_status, to_status, at, lag(to_status) OVER told AS before, lag(at) OVER told AS before_at,
    lead(seq) OVER told IS NULL AS last
  FROM audit_log WHERE action = 'notification.transition'
  WINDOW told AS (PARTITION BY subject ORDER BY seq)
)
SELECT DISTINCT subject FROM story
JOIN notification_schedule ON subject = 'notification:' || encode(idempotency_key, 'hex')
WHERE (before <> from_status AND created_at <= before_at) OR (last AND to_status <> status AND created_at <= at)
""")


Received = ReceivedEmail | ReceivedText
Attempts = Mapping[str, Sequence[Row[Any]]]
# (provider, how long ago): whether it could say what it took.
CanTell = Callable[[str, timedelta], bool]


@dataclass(frozen=True, slots=True)
class Record:
    """What is judged: what people got, the base, what was written, and who told what of the end."""

    received: Sequence[Received]
    bodies: Sequence[str]
    written: str
    failures: Sequence[str]
    reconciled: Mapping[str, Any]
    watched: Mapping[str, Any]


@dataclass(slots=True)
class Verdict:
    """Offenders by what is wrong: lost, doubled, and what else must not be."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    expected: int = 0
    arrived: int = 0
    excused: Counter[str] = field(default_factory=Counter)

    def blame(self, what: str, *offenders: str) -> None:
        if offenders:
            self.wrong[what] += offenders

    @property
    def lost(self) -> int:
        return len(self.wrong.get("lost", ()))

    @property
    def doubled(self) -> int:
        return len(self.wrong.get("doubled", ()))

    @property
    def others(self) -> int:
        return sum(map(len, self.wrong.values())) - self.lost - self.doubled

    @property
    def holds(self) -> bool:
        return not any(self.wrong.values())


def judge(
    engine: Engine,
    record: Record,
    can_tell: CanTell,
    *,
    start: datetime,
    end: datetime,
    until: datetime,
    rules: Rules,
    pasts: Sequence[Past] = (),
) -> Verdict:
    """`pasts`: what the base called for before it was edited, the oldest first."""
    verdict = Verdict()
    with engine.connect() as connection:
        rows = connection.execute(ROWS).all()
        attempts: dict[str, list[Row[Any]]] = defaultdict(list)
        for attempt in connection.execute(ATTEMPTS):
            attempts[attempt.key].append(attempt)
        verdict.blame("audit story broken", *connection.scalars(BROKEN_STORIES))
        if not verify_audit(connection).holds:
            verdict.blame("audit chain broken", "audit_log")
    called = {call.key: call for call in called_for(engine, start, until, rules)}
    proof = prove(engine, record.received, start=start, end=end, until=until, rules=rules)
    verdict.expected, verdict.arrived = proof.expected, proof.arrived
    by_key = {row.key: row for row in rows}
    ever = {key: call for past in pasts for key, call in past.calls.items()} | called
    told = {ever[message.key].identity for message in record.received if message.key in ever}
    explain = partial(_excuse, rows=by_key, attempts=attempts, rules=rules, until=until)
    for key in [*proof.blamed("missed"), *_owed_before_edits(pasts, called, start)]:
        same = [row.key for row in rows if identity(row) == ever[key].identity]
        if ever[key].identity in told:
            verdict.excused["told before it was moved, or after"] += 1
        elif excuse := next(filter(None, map(explain, (key, *same))), None):
            verdict.excused[excuse] += 1
        elif key not in called and key in by_key and by_key[key].status == "CANCELLED":
            verdict.excused["cancelled: an edit came first"] += 1
        else:
            row = by_key.get(key)
            outcomes = [attempt.outcome for attempt in attempts[key]]
            verdict.blame(
                "lost", f"{key} {row.status} ({row.reason}) after {outcomes}" if row else f"{key} no row"
            )
    verdict.blame("doubled", *_told_twice(record.received, ever))
    times = Counter(message.key for message in record.received)
    for key in proof.blamed("duplicates"):
        if times[key] - 1 <= sum(attempt.outcome == "UNPROVEN" for attempt in attempts[key]):
            verdict.excused["told again: as its clinic wants what nobody can tell"] += 1
        else:
            verdict.blame("doubled", key)
    for what in ("outside", "crowded"):
        verdict.blame(what, *proof.blamed(what))
    _judge_moved(verdict, proof, record, pasts, rules)
    _judge_texts(verdict, record.received, ever, rules.tolerance)
    _judge_untold(verdict, by_key, attempts, can_tell, until)
    arrived = {message.key for message in record.received}
    _judge_rows(verdict, rows, attempts, called, arrived=arrived, end=end)
    beyond = sum(row.status not in {*FINAL, "CANCELLED"} and end < row.window_end <= until for row in rows)
    _judge_reports(verdict, record, beyond)
    return verdict


def identity(row: Row[Any]) -> tuple[Any, ...]:
    """As Called has it."""
    return row.subject, row.event, row.occurrence, row.person


def _owed_before_edits(pasts: Sequence[Past], called: Mapping[str, Called], start: datetime) -> Iterable[str]:
    """What no longer is called for, and fell due before the edit that saw to that."""
    return {
        key
        for past in pasts
        for key, call in past.calls.items()
        if key not in called and start < call.expected.window.end <= past.at
    }


def _judge_moved(verdict: Verdict, proof: Proof, record: Record, pasts: Sequence[Past], rules: Rules) -> None:
    """What is called for no longer left while it was, in its window or late."""
    at = {message.key: message.received_at for message in record.received}
    for key in proof.blamed("unexpected"):
        last = next((past for past in reversed(pasts) if key in past.calls), None)
        if last is None or not _was_called_for(key, at[key], last, rules.tolerance):
            verdict.blame("unexpected", key)
        elif not may_leave(last.calls[key], at[key], rules):
            verdict.blame("outside", key)


def _was_called_for(key: str, at: datetime, last: Past, tolerance: timedelta) -> bool:
    """When it left, or when it was claimed: what is on its way is not called back."""
    return at <= last.at + tolerance or key in last.in_flight


def _excuse(  # noqa: PLR0911  one line for each excuse
    key: str, rows: Mapping[str, Row[Any]], attempts: Attempts, rules: Rules, until: datetime
) -> str | None:
    """The state with a reason that explains why somebody was not told, if it is true."""
    row = rows.get(key)
    if row is None:
        return None
    outcomes = Counter(attempt.outcome for attempt in attempts[key])
    match row.status, row.reason.split(":")[0] if row.reason else None:
        case "DEFERRED", "retries spent" if outcomes["RETRY_SAFE"] > len(RETRY_DELAYS):
            return "deferred: retries spent"
        case "DEFERRED", "rejected" if outcomes["REJECTED"]:
            return "deferred: rejected"
        case "DEFERRED", "no channel reaches this person" if not row.reachable:
            return "deferred: no channel reaches them"
        case "HELD", reason if reason and "in vain" in reason and outcomes["UNKNOWN"]:
            return "held: nobody can tell, and their clinic asks a human"
        case "SUPPRESSED", "window closed before the lookback" if row.window_end + rules.lookback <= until:
            return "suppressed: too old"
        case "SUPPRESSED", "superseded by a more urgent reminder" if _is_superseded(row, rows.values()):
            return "suppressed: superseded"
    return None


def _judge_texts(
    verdict: Verdict, received: Iterable[Received], called: Mapping[str, Called], tolerance: timedelta
) -> None:
    """No SMS in the quiet hours of its recipient, by a clock as far off as is tolerated."""
    made = runtime().settings
    for message in received:
        if isinstance(message, ReceivedEmail) or message.key not in called:
            continue
        zone = called[message.key].expected.recipient.zone
        times = [message.received_at + off for off in (timedelta(), tolerance, -tolerance)]
        if not any(
            next_allowed(at, zone, made.sms_quiet_from, made.sms_quiet_until).start == at for at in times
        ):
            verdict.blame("SMS in quiet hours", message.key)


def _judge_untold(
    verdict: Verdict, rows: Mapping[str, Row[Any]], attempts: Attempts, can_tell: CanTell, until: datetime
) -> None:
    """What nobody can tell is sent again or held for a human, as its clinic wants; after asking, and nothing else."""
    for key, tried in attempts.items():
        for attempt in tried:
            if attempt.outcome == "UNPROVEN" and not (attempt.again and attempt.probes >= MOST_PROBES):
                verdict.blame("sent again unasked", f"{key} {attempt.provider}")
        row = rows.get(key)
        if row is None or row.status != "HELD" or "in vain" not in row.reason:
            continue
        open_ones = [attempt for attempt in tried if attempt.outcome == "UNKNOWN"]
        if any(
            attempt.again or can_tell(attempt.provider, until - attempt.started_at) for attempt in open_ones
        ):
            verdict.blame("held needlessly", f"{key} {row.reason}")


def _is_superseded(older: Row[Any], rows: Iterable[Row[Any]]) -> bool:
    """A later reminder of the same licence to the same person was said, or is itself explained."""
    return any(
        (row.subject, row.person) == (older.subject, older.person)
        and row.scheduled_at > older.scheduled_at
        and row.status in {*TOLD, "DEFERRED"}
        for row in rows
    )


def _told_twice(received: Iterable[Received], called: Mapping[str, Called]) -> list[str]:
    """The same thing said to one person under different keys."""
    keys = defaultdict(set)
    for email in received:
        if email.key in called:
            keys[called[email.key].identity].add(email.key)
    return [" ".join(sorted(same)) for same in keys.values() if len(same) > 1]


def _judge_rows(
    verdict: Verdict,
    rows: Sequence[Row[Any]],
    attempts: Attempts,
    called: Mapping[str, Called],
    *,
    arrived: set[str],
    end: datetime,
) -> None:
    """Each expected notification is one row, in a state that is final once its time is over and true to the record."""
    identities = Counter(identity(row) for row in rows if row.status != "CANCELLED")
    verdict.blame("several rows", *(str(each) for each, times in identities.items() if times > 1))
    known = {row.key for row in rows}
    absent = (call for key, call in called.items() if key not in known)
    verdict.blame("no row", *(call.key for call in absent if call.identity not in identities))
    for row in rows:
        said = f"{row.key} {row.status}"
        # Whether what is held, or was sent again unproven, has left is just what nobody could tell.
        if row.status == "HELD" and "in vain" in row.reason:
            continue
        if row.status in FINAL and any(attempt.outcome == "UNPROVEN" for attempt in attempts[row.key]):
            continue
        if row.status == "CANCELLED" and (row.key not in called or identity(row) in identities):
            verdict.blame("cancelled and sent", *([said] if row.key in arrived else []))
        elif row.status not in FINAL:
            if row.window_end <= end:
                verdict.blame("not settled", said)
        elif (row.key in arrived) != (row.status in TOLD):
            verdict.blame("schedule contradicts the record", said)


def _judge_reports(verdict: Verdict, record: Record, beyond: int) -> None:
    """`beyond`: of how many that fell due after the run the watchdog may say that they are late."""
    verdict.blame("function failed without a fault", *record.failures)
    lowered = record.written.lower() + "\n".join(record.bodies).lower()
    verdict.blame("canary leaked", *(canary for canary in CANARIES if canary in lowered))
    for body in record.bodies:
        claims = runtime().key_ring.open("queue", body, now=datetime.max.replace(tzinfo=UTC))
        if claims.keys() != {"key", "scheduled_at"}:
            verdict.blame("queue message says more than ids", body)
    for name in ("drift", "unhealed"):
        if record.reconciled.get(name):
            verdict.blame(f"reconcile: {name}", str(dict(record.reconciled)))
    if record.watched["alarms"] > beyond:
        verdict.blame("watchdog alarms", str(dict(record.watched)))
