"""When EventBridge Scheduler would invoke which function, under a virtual clock or a real one.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import heapq
import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from cronsim import CronSim, CronSimError

from local.template import Schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) \*\)")


class InvalidScheduleError(Exception):
    def __init__(self, expression: str) -> None:
        super().__init__(f"{expression} is no rate(n unit) nor cron(minute hour day month weekday *)")


@dataclass(frozen=True, slots=True)
class Tick:
    at: datetime
    schedule: Schedule

    @property
    def event(self) -> Any:
        """The schedule's Input with Scheduler's context attributes filled in."""
        values = {
            "scheduled-time": self.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "execution-id": uuid.uuid4().hex[:16],
            "attempt-number": "1",
        }
        text = self.schedule.input
        for name, value in values.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        return json.loads(text)


def next_tick(expression: str, after: datetime) -> datetime:
    """The first instant later than `after`, in UTC."""
    if rate := _RATE.fullmatch(expression):
        return _next_of_rate(timedelta(**{f"{rate[2]}s": int(rate[1])}), after, expression)
    if cron := _CRON.fullmatch(expression):
        return _next_of_cron(list(cron.groups()), after, expression)
    raise InvalidScheduleError(expression)


def _next_of_rate(period: timedelta, after: datetime, expression: str) -> datetime:
    """AWS counts from the schedule's creation; counting from the epoch makes runs repeatable."""
    if not period:
        raise InvalidScheduleError(expression)
    return _EPOCH + ((after - _EPOCH) // period + 1) * period


def _next_of_cron(fields: list[str], after: datetime, expression: str) -> datetime:
    minute, hour, day, month, weekday = fields
    if (day == "?") == (weekday == "?"):
        raise InvalidScheduleError(expression)
    translated = " ".join([minute, hour, day, month, _unix_weekdays(weekday)]).replace("?", "*")
    try:
        return next(CronSim(translated, after.astimezone(UTC)))
    except CronSimError:
        raise InvalidScheduleError(expression) from None


def _unix_weekdays(field: str) -> str:
    """1-7 from Sunday, as Scheduler counts, to 0-6; the n of `#n` and of `/n` are no weekdays."""
    return re.sub(r"(?<![#/\d])\d", lambda digit: str(int(digit[0]) - 1), field)


def ticks(schedules: Sequence[Schedule], start: datetime) -> Iterator[Tick]:
    """All that is due after `start`, in order, without end; at one instant in the template's order."""
    heap = [(next_tick(s.expression, start), order) for order, s in enumerate(schedules)]
    heapq.heapify(heap)
    while heap:
        at, order = heap[0]
        yield Tick(at, schedules[order])
        heapq.heapreplace(heap, (next_tick(schedules[order].expression, at), order))


def ticks_as_due(schedules: Sequence[Schedule], clock: Callable[[], datetime], stop: Event) -> Iterator[Tick]:
    """Each tick when its time has come. A machine that slept resumes with the next, it does not replay."""
    after = clock()
    while not stop.is_set():
        due = _ticks_at_next_instant(schedules, after)
        if stop.wait(max(0.0, (due[0].at - clock()).total_seconds())):
            return
        yield from due
        after = max(due[0].at, clock() - timedelta(minutes=1))


def _ticks_at_next_instant(schedules: Sequence[Schedule], after: datetime) -> list[Tick]:
    upcoming = [Tick(next_tick(s.expression, after), s) for s in schedules]
    first = min(tick.at for tick in upcoming)
    return [tick for tick in upcoming if tick.at == first]
