"""Whether the invariants hold at the end of a run: what people received, by the doubles' own record, decides."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, text

from local.doubles.received import ReceivedEmail, ReceivedText
from local.proof import Called, Rules, called_for, prove
from nolapse.domain.calendar import next_allowed
from nolapse.domain.routing import MOST_PROBES, RETRY_DELAYS
from nolapse.oversight.audit import verify_audit
from nolapse.runtime.bootstrap import runtime
from tests.simulation.base import CANARIES

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
) -> Verdict:
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
    for key in proof.blamed("missed"):
        excuse = _excuse(key, by_key, attempts, rules, until)
        if excuse:
            verdict.excused[excuse] += 1
        else:
            row = by_key.get(key)
            outcomes = [attempt.outcome for attempt in attempts[key]]
            told = f"{row.status} ({row.reason}) after {outcomes}" if row else "no row"
            verdict.blame("lost", f"{key} {told}")
    verdict.blame("doubled", *_told_twice(record.received, called))
    times = Counter(message.key for message in record.received)
    for key in proof.blamed("duplicates"):
        if times[key] - 1 <= sum(attempt.outcome == "UNPROVEN" for attempt in attempts[key]):
            verdict.excused["told again: as its clinic wants what nobody can tell"] += 1
        else:
            verdict.blame("doubled", key)
    for what in ("outside", "unexpected", "crowded"):
        verdict.blame(what, *proof.blamed(what))
    _judge_texts(verdict, record.received, called, rules.tolerance)
    _judge_untold(verdict, by_key, attempts, can_tell, until)
    arrived = {message.key for message in record.received}
    _judge_rows(verdict, rows, attempts, called, arrived=arrived, end=end)
    beyond = sum(row.status not in FINAL and end < row.window_end <= until for row in rows)
    _judge_reports(verdict, record, beyond)
    return verdict


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
    identities = Counter((row.subject, row.event, row.occurrence, row.person) for row in rows)
    verdict.blame("several rows", *(str(identity) for identity, times in identities.items() if times > 1))
    known = {row.key for row in rows}
    verdict.blame("no row", *(key for key in called if key not in known))
    for row in rows:
        said = f"{row.key} {row.status}"
        # Whether what is held, or was sent again unproven, has left is just what nobody could tell.
        if row.status == "HELD" and "in vain" in row.reason:
            continue
        if row.status in FINAL and any(attempt.outcome == "UNPROVEN" for attempt in attempts[row.key]):
            continue
        if row.status not in FINAL:
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
