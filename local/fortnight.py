"""Virtual time over the real handlers: every schedule of the template ticks, idle minutes are skipped."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Engine, text

from local.clock import VirtualClock
from local.schedules import Tick, ticks
from local.stack import RunningStack

SCAN = "ScanFunction"
# Nothing takes longer to settle than a night of quiet hours and a few late messages of one person.
GRACE = timedelta(days=2)

# The earliest instant at which a scan would find something.
NEXT_DUE = text("""
SELECT min(next_attempt_at)
FROM notification_schedule
WHERE scheduled_at <= :until AND claimed_at IS NULL
  AND send_by > greatest(:now, next_attempt_at) AND next_attempt_at < 'infinity'
""")

ON_ITS_WAY = text("""
SELECT EXISTS (
  SELECT FROM notification_schedule
  WHERE scheduled_at < :until AND window_end <= :until
    AND status IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN'))
""")


def live_through(
    running: RunningStack, clock: VirtualClock, until: datetime, on_tick: Callable[[Tick], None]
) -> None:
    """Invoke what is scheduled from the clock's time to `until`, draining the queues after every scan; what left then
    arrives, and its vendor says so.

    It goes on for as long as a message whose window closed before `until` is on its way: an interrupted run may
    have made it late.
    """
    due = _next_due(running.engine, clock.now(), until)
    for tick in ticks(running.stack.schedules, clock.now()):
        if tick.schedule.function == SCAN and (due is None or tick.at < due):
            continue
        if tick.at > until and _is_settled(running.engine, tick.at, until):
            break
        clock.move_to(tick.at)
        counts = running.functions.invoke(tick.schedule.function, tick.event)
        if tick.schedule.function == SCAN:
            drain(running)
            running.receipts.deliver()
        if any(counts.values()):
            due = _next_due(running.engine, clock.now(), until)
        on_tick(tick)
    clock.move_to(until)


def _is_settled(engine: Engine, at: datetime, until: datetime) -> bool:
    with engine.connect() as connection:
        on_their_way = connection.scalar(ON_ITS_WAY, {"until": until})
    return not on_their_way or at > until + GRACE


def drain(running: RunningStack) -> None:
    for queue in running.queues:
        for error in queue.drain().errors:
            raise error


def _next_due(engine: Engine, now: datetime, until: datetime) -> datetime | None:
    with engine.connect() as connection:
        due: datetime | None = connection.scalar(NEXT_DUE, {"now": now, "until": until})
    return due
