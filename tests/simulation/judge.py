"""Whether the invariants hold at the end of a run: what people received, by the doubles' own record, decides."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Engine, Row, text

from local.doubles.received import ReceivedEmail, ReceivedText
from local.proof import Called, Proof, Rules, called_for, crowded, may_leave, prove
from nolapse.domain.calendar import next_allowed
from nolapse.domain.routing import MOST_PROBES, RETRY_DELAYS
from nolapse.oversight.audit import verify_audit
from nolapse.runtime.bootstrap import runtime
from tests.simulation.base import CANARIES
from tests.simulation.edits import Past, as_of
from tests.simulation.receipts import DELIVERED, Story

TOLD = {"SENT", "DELIVERED", "BOUNCED"}
# How far ahead the watchdog looks for what is about to close.
HOUR = timedelta(hours=1)
# Where a notification may end that was due. What waits for ever is lost, whatever its state says.
FINAL = {*TOLD, "DEFERRED", "SUPPRESSED"}

ROWS = text("""
SELECT encode(idempotency_key, 'hex') AS key, schedule.status, reason, late, window_end, scheduled_at,
       subject_id AS subject, clinician_id AS person, event, occurrence,
       attempt_count, perishable, channel_position = cardinality(channels) AS on_the_last,
       EXISTS (
         SELECT FROM unnest(channels[channel_position:]) AS way (channel)
         CROSS JOIN LATERAL (
           SELECT CASE channel WHEN 'EMAIL' THEN coalesce(email, contact_email) ELSE phone END AS address) AS place
         WHERE address IS NOT NULL AND NOT EXISTS (
           SELECT FROM suppressions AS said
           WHERE (said.tenant_id, address_sha256, said.channel)
             = (schedule.tenant_id, address_digest(address), way.channel) AND in_force)) AS reachable
FROM notification_schedule AS schedule
JOIN clinicians USING (clinician_id)
JOIN tenants ON tenants.tenant_id = schedule.tenant_id
""")
ATTEMPTS = text("""
SELECT encode(idempotency_key, 'hex') AS key, coalesce(outcome, 'NONE') AS outcome, provider, started_at, probes,
  CAST(attempt_id AS text) AS attempt_id, attempt_number, delivered_at,
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
# By the key that messages bore.
Stories = Mapping[str, Sequence[Story]]
# (provider, how long ago): whether it could say what it took.
CanTell = Callable[[str, timedelta], bool]
# (what was called for, when): the same, where its recipient lived then.
Zoned = Callable[[Called, datetime], Called]


@dataclass(frozen=True, slots=True)
class Record:
    """What is judged: what people got, the base, what was written, and who told what of the end."""

    received: Sequence[Received]
    bodies: Sequence[str]
    written: str
    failures: Sequence[str]
    reconciled: Mapping[str, Any]
    watched: Mapping[str, Any]
    stories: Sequence[Story] = ()
    # Forged receipts that were taken for genuine.
    believed: Sequence[str] = ()

    @property
    def reached(self) -> Sequence[Received]:
        """What came back reached nobody."""
        returned = {story.message.message_id for story in self.stories if story.came_back}
        return [message for message in self.received if message.message_id not in returned]


@dataclass(slots=True)
class Verdict:
    """Offenders by what is wrong: lost, doubled, and what else must not be."""

    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    expected: int = 0
    arrived: int = 0
    # Messages that came back, and of what they were about how much arrived all the same.
    returned: int = 0
    went_on: int = 0
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
    rows_lost: Collection[str] = (),
) -> Verdict:
    """`pasts`: what the base called for before it was edited, the oldest first. `rows_lost`: keys of rows that
    vanished from the schedule.
    """
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
    proof = prove(engine, record.reached, start=start, end=end, until=until, rules=rules)
    verdict.expected, verdict.arrived = proof.expected, proof.arrived
    by_key = {row.key: row for row in rows}
    ever = {key: call for past in pasts for key, call in past.calls.items()} | called
    told = {ever[message.key].identity for message in record.reached if message.key in ever}
    said = _by_key(record.stories)
    explain = partial(_excuse, rows=by_key, attempts=attempts, said=said, rules=rules, until=until)
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
    # Moved by an edit before a night could bring them back: only their attempts are left, under keys of the past.
    gone = {key for key in rows_lost if attempts.get(key) and key not in called and key not in by_key}
    _judge_doubled(verdict, proof, record, ever=ever, attempts=attempts, gone=gone)
    _judge_crowded(verdict, record, called, rules, {key for key in rows_lost if attempts.get(key)})
    zoned = partial(as_of, pasts=pasts, called=called)
    _judge_moved(verdict, proof, record, called=called, pasts=pasts, rules=rules, zoned=zoned)
    _judge_texts(verdict, record.received, ever, rules.tolerance, zoned)
    _judge_untold(verdict, by_key, attempts, can_tell, until)
    arrived = {message.key for message in record.reached}
    verdict.returned = len(record.received) - len(record.reached)
    verdict.went_on = sum(story.came_back and story.message.key in arrived for story in record.stories)
    _judge_rows(verdict, rows, attempts, said, called, arrived=arrived, end=end)
    _judge_receipts(verdict, record.stories, by_key, attempts)
    verdict.blame("forged receipt believed", *record.believed)
    beyond = sum(
        row.status not in {*FINAL, "CANCELLED"} and end < row.window_end <= until + HOUR for row in rows
    )
    _judge_reports(verdict, record, beyond, orphaned=len(gone))
    return verdict


def _by_key(stories: Iterable[Story]) -> Stories:
    found: dict[str, list[Story]] = defaultdict(list)
    for story in stories:
        found[story.message.key].append(story)
    return found


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


def _judge_moved(
    verdict: Verdict,
    proof: Proof,
    record: Record,
    *,
    called: Mapping[str, Called],
    pasts: Sequence[Past],
    rules: Rules,
    zoned: Zoned,
) -> None:
    """What is called for no longer left while it was, in its window or late; so did what came back, and what its
    recipient has moved from since.
    """
    at = {message.key: message.received_at for message in record.received}
    for key in proof.blamed("outside"):
        verdict.blame("outside", *([] if may_leave(zoned(called[key], at[key]), at[key], rules) else [key]))
    returned = [(story.message.key, story.message.received_at) for story in record.stories if story.came_back]
    for key, when in [*((key, at[key]) for key in proof.blamed("unexpected")), *returned]:
        last = next((past for past in reversed(pasts) if key in past.calls), None)
        if key in called:
            verdict.blame("outside", *([] if may_leave(zoned(called[key], when), when, rules) else [key]))
        elif last is None or not _was_called_for(key, when, last, rules.tolerance):
            verdict.blame("unexpected", key)
        elif not may_leave(zoned(last.calls[key], when), when, rules):
            verdict.blame("outside", key)


def _was_called_for(key: str, at: datetime, last: Past, tolerance: timedelta) -> bool:
    """When it left, or when it was claimed: what is on its way is not called back."""
    return at <= last.at + tolerance or key in last.in_flight


def _time_of(story: Story) -> datetime:
    return story.message.received_at


def _excuse(  # noqa: PLR0911  one line for each excuse
    key: str,
    *,
    rows: Mapping[str, Row[Any]],
    attempts: Attempts,
    said: Stories,
    rules: Rules,
    until: datetime,
) -> str | None:
    """The state with a reason that explains why somebody was not told, if it is true."""
    row = rows.get(key)
    if row is None:
        return None
    outcomes = Counter(attempt.outcome for attempt in attempts[key])
    returned = sorted((story for story in said.get(key, ()) if story.came_back), key=_time_of)
    match row.status, row.reason.split(":")[0] if row.reason else None:
        case "DEFERRED", "retries spent" if outcomes["RETRY_SAFE"] > len(RETRY_DELAYS):
            return "deferred: retries spent"
        case "DEFERRED", "rejected" if outcomes["REJECTED"]:
            return "deferred: rejected"
        case "DEFERRED", "no channel reaches this person" if not row.reachable:
            return "deferred: no channel reaches them"
        case "BOUNCED", _ if any(map(Story.may_say_so, returned)) and (
            row.on_the_last or row.perishable or row.window_end + rules.lookback <= until
        ):
            return "came back: no other channel"
        # By the last of its ways: of those before it was said that they came back, or nothing would have gone on.
        case "SENT" | "DELIVERED", _ if returned and not returned[-1].says_so():
            return "came back: and nobody said so"
        case "HELD", reason if reason and "in vain" in reason and outcomes["UNKNOWN"]:
            return "held: nobody can tell, and their clinic asks a human"
        case "SUPPRESSED", "window closed before the lookback" if row.window_end + rules.lookback <= until:
            return "suppressed: too old"
        case "SUPPRESSED", "superseded by a more urgent reminder" if _is_superseded(row, rows.values()):
            return "suppressed: superseded"
    return None


def _judge_texts(
    verdict: Verdict,
    received: Iterable[Received],
    called: Mapping[str, Called],
    tolerance: timedelta,
    zoned: Zoned,
) -> None:
    """No SMS in the quiet hours of its recipient, by a clock as far off as is tolerated."""
    made = runtime().settings
    for message in received:
        if isinstance(message, ReceivedEmail) or message.key not in called:
            continue
        zone = zoned(called[message.key], message.received_at).expected.recipient.zone
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


def _judge_doubled(
    verdict: Verdict,
    proof: Proof,
    record: Record,
    *,
    ever: Mapping[str, Called],
    attempts: Attempts,
    gone: Collection[str],
) -> None:
    """The same thing said to one person twice, under one key or under several."""
    times = Counter(message.key for message in record.reached)
    for key in proof.blamed("duplicates"):
        if times[key] - 1 <= sum(map(_was_unproven, attempts[key])):
            verdict.excused["told again: as its clinic wants what nobody can tell"] += 1
        else:
            verdict.blame("doubled", key)
    for same in _told_twice(record.reached, ever, attempts):
        if len(same.difference(gone)) > 1:
            verdict.blame("doubled", " ".join(sorted(same)))
        else:
            verdict.excused["told again: its row was lost, and an edit moved it before the night"] += 1


def _judge_crowded(
    verdict: Verdict, record: Record, called: Mapping[str, Called], rules: Rules, lost: Collection[str]
) -> None:
    """Late messages keep their distance from what the schedule knows to have left, until a night brings rows back."""
    arrived = {message.key: message.received_at for message in record.reached}
    for key, before in crowded(called, arrived, rules):
        if before in lost:
            verdict.excused["crowded: the row of what was sent before was lost"] += 1
        else:
            verdict.blame("crowded", key)


def _told_twice(
    received: Iterable[Received], called: Mapping[str, Called], attempts: Attempts
) -> list[set[str]]:
    """The keys under which the same was said to one person, less what nobody could tell and an edit then moved."""
    keys: dict[Any, set[str]] = defaultdict(set)
    for email in received:
        if email.key in called and not any(map(_was_unproven, attempts[email.key])):
            keys[called[email.key].identity].add(email.key)
    return [same for same in keys.values() if len(same) > 1]


def _judge_rows(
    verdict: Verdict,
    rows: Sequence[Row[Any]],
    attempts: Attempts,
    said: Stories,
    called: Mapping[str, Called],
    *,
    arrived: set[str],
    end: datetime,
) -> None:
    """Each expected notification is one row, in a state that is final once its time is over and true to the record."""
    identities = Counter(identity(row) for row in rows if row.status != "CANCELLED")
    # What was too old may be called for anew, at an instant that still counts.
    counting = Counter(identity(row) for row in rows if row.status != "CANCELLED" and not _was_too_old(row))
    verdict.blame("several rows", *(str(each) for each, times in counting.items() if times > 1))
    known = {row.key for row in rows}
    absent = (call for key, call in called.items() if key not in known)
    verdict.blame("no row", *(call.key for call in absent if call.identity not in identities))
    for row in rows:
        here = f"{row.key} {row.status}"
        # Whether what is held, or was sent again unproven, has left is just what nobody could tell.
        if row.status == "HELD" and "in vain" in row.reason:
            continue
        if row.status in {*FINAL, "HELD", "CANCELLED"} and any(map(_was_unproven, attempts[row.key])):
            continue
        if row.status == "CANCELLED" and (row.key not in called or identity(row) in identities):
            verdict.blame("cancelled and sent", *([here] if row.key in arrived else []))
        elif row.status not in FINAL:
            if row.window_end <= end:
                verdict.blame("not settled", here)
        elif row.status not in _may_be(row.key in arrived, said.get(row.key, ())):
            verdict.blame("schedule contradicts the record", here)


def _may_be(has_arrived: bool, stories: Sequence[Story]) -> set[str]:
    """What a row that is final may say."""
    if has_arrived:
        return {"SENT", "DELIVERED"}
    returned = [story for story in stories if story.came_back]
    if not returned:
        return FINAL - TOLD
    known = FINAL - {"SENT", "DELIVERED"} if any(map(Story.may_say_so, returned)) else set()
    return known if all(map(Story.says_so, returned)) else {*known, "SENT", "DELIVERED"}


def _was_too_old(row: Row[Any]) -> bool:
    return row.status == "SUPPRESSED" and str(row.reason) == "window closed before the lookback"


def _was_unproven(attempt: Row[Any]) -> bool:
    """What nobody could tell, and was sent again; a receipt may have settled it since."""
    return attempt.outcome == "UNPROVEN" or (attempt.again and attempt.probes >= MOST_PROBES)


def _judge_receipts(
    verdict: Verdict, stories: Iterable[Story], rows: Mapping[str, Row[Any]], attempts: Attempts
) -> None:
    """What was said is so: of the attempt, whatever was known of it, and of the row where it was the last."""
    for story in stories:
        key = story.message.key
        here = f"{story.provider} {key} told {sorted(story.told)}"
        attempt = next((each for each in attempts[key] if each.attempt_id == story.message.attempt_id), None)
        if attempt is None:
            verdict.blame("message of no attempt", here)
            continue
        if attempt.outcome not in _proven(story):
            verdict.blame("receipt without effect", f"{here}: {attempt.outcome}")
        if DELIVERED in story.told and attempt.delivered_at is None:
            verdict.blame("receipt without effect", f"{here}: never delivered")
        row = rows.get(key)
        if (
            row is not None
            and row.attempt_count == attempt.attempt_number
            and row.status in _disproven(story)
        ):
            verdict.blame("receipt moved nothing", f"{here}: {row.status}")


def _proven(story: Story) -> set[str]:
    """What an attempt may have come to, by what was said of it; a word whose answer was lost may count, or not."""
    if story.says_so():
        return {"BOUNCED"}
    said = {"ACCEPTED"} if story.told else {"ACCEPTED", "UNKNOWN", "UNPROVEN"}
    return said | ({"BOUNCED"} if story.may_say_so() else set())


def _disproven(story: Story) -> set[str]:
    """States that a row may no longer be in, once that was said of its last attempt."""
    if story.says_so():
        return {"SENT", "DELIVERED", "SENDING", "UNKNOWN"}
    return (
        (set() if story.may_say_so() else {"BOUNCED"})
        | ({"SENT"} if DELIVERED in story.told else set())
        | ({"SENDING", "UNKNOWN"} if story.told else set())
    )


def _judge_reports(verdict: Verdict, record: Record, beyond: int, *, orphaned: int) -> None:
    """`beyond`: of how many that fell due after the run the watchdog may say that they are late. `orphaned`: of how
    many reconcile must say that nothing but their attempts is left.
    """
    verdict.blame("function failed without a fault", *record.failures)
    lowered = record.written.lower() + "\n".join(record.bodies).lower()
    verdict.blame("canary leaked", *(canary for canary in CANARIES if canary in lowered))
    for body in record.bodies:
        claims = runtime().key_ring.open("queue", body, now=datetime.max.replace(tzinfo=UTC))
        rows = claims.pop("notifications", [])
        if claims or any(row.keys() != {"key", "scheduled_at"} for row in rows):
            verdict.blame("queue message says more than ids", body)
    for name, known in (("drift", 0), ("unhealed", orphaned), ("orphaned_attempts", orphaned)):
        if record.reconciled.get(name, 0) != known:
            verdict.blame(f"reconcile: {name}", str(dict(record.reconciled)))
    if record.watched["alarms"] > beyond:
        verdict.blame("watchdog alarms", str(dict(record.watched)))
