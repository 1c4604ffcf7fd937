"""Virtual time over the real handlers: every schedule of the template ticks, idle minutes are skipped."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine, text

from local.clock import VirtualClock
from local.schedules import Tick, ticks
from local.stack import RunningStack

SCAN = "ScanFunction"

# The earliest instant at which a scan would find something.
NEXT_DUE = text("""
SELECT min(next_attempt_at)
FROM notification_schedule
WHERE scheduled_at <= :until AND claimed_at IS NULL
  AND send_by > greatest(:now, next_attempt_at) AND next_attempt_at < 'infinity'
""")


def live_through(
    running: RunningStack, clock: VirtualClock, until: datetime, on_tick: Callable[[Tick], None]
) -> None:
    """Invoke what is scheduled from the clock's time to `until`, draining the queues after every scan."""
    due = _next_due(running.engine, clock.now(), until)
    for tick in ticks(running.stack.schedules, clock.now()):
        if tick.at > until:
            break
        if tick.schedule.function == SCAN and (due is None or tick.at < due):
            continue
        clock.move_to(tick.at)
        running.functions.invoke(tick.schedule.function, tick.event)
        if tick.schedule.function == SCAN:
            drain(running)
        due = _next_due(running.engine, clock.now(), until)
        on_tick(tick)
    clock.move_to(until)


def drain(running: RunningStack) -> None:
    for queue in running.queues:
        for error in queue.drain().errors:
            raise error


def _next_due(engine: Engine, now: datetime, until: datetime) -> datetime | None:
    with engine.connect() as connection:
        due: datetime | None = connection.scalar(NEXT_DUE, {"now": now, "until": until})
    return due
