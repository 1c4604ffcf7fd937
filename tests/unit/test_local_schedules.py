import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.schedules import InvalidScheduleError, next_tick, ticks, ticks_as_due
from local.template import Schedule

INPUT = '{"scheduled_time": "<aws.scheduler.scheduled-time>", "execution_id": "<aws.scheduler.execution-id>"}'


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def schedule(name: str, expression: str) -> Schedule:
    return Schedule(name=name, function=f"{name}-function", expression=expression, input=INPUT)


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("rate(1 minute)", "2026-11-22T12:00:00", "2026-11-22T12:01:00"),
        ("rate(1 minute)", "2026-11-22T12:00:59.999999", "2026-11-22T12:01:00"),
        ("rate(1 hour)", "2026-11-22T23:59:59", "2026-11-23T00:00:00"),
        ("rate(5 minutes)", "2026-11-22T12:03:00", "2026-11-22T12:05:00"),
        ("rate(2 days)", "2026-11-22T12:00:00", "2026-11-23T00:00:00"),
        ("cron(0 0 * * ? *)", "2026-11-22T12:00:00", "2026-11-23T00:00:00"),
        ("cron(0 0 * * ? *)", "2026-11-23T00:00:00", "2026-11-24T00:00:00"),
        ("cron(30 23 * * ? *)", "2028-02-28T23:30:00", "2028-02-29T23:30:00"),
        ("cron(15 10 ? * 1 *)", "2026-11-22T10:15:00", "2026-11-29T10:15:00"),
        ("cron(15 10 ? * MON-FRI *)", "2026-11-20T10:15:00", "2026-11-23T10:15:00"),
        ("cron(0/15 8 ? * 2-6 *)", "2026-11-20T08:45:00", "2026-11-23T08:00:00"),
        ("cron(0 9 L * ? *)", "2026-11-22T12:00:00", "2026-11-30T09:00:00"),
        ("cron(0 9 ? * 6L *)", "2026-11-22T12:00:00", "2026-11-27T09:00:00"),
        ("cron(0 9 ? * 3#2 *)", "2026-11-22T12:00:00", "2026-12-08T09:00:00"),
    ],
)
def test_next_tick(expression: str, after: str, expected: str) -> None:
    assert next_tick(expression, at(after)) == at(expected)


@pytest.mark.parametrize(
    "expression",
    [
        "rate(0 minutes)",
        "rate(1 week)",
        "cron(0 0 * * * *)",
        "cron(0 0 ? * ? *)",
        "cron(61 0 * * ? *)",
        "hourly",
    ],
)
def test_what_scheduler_refuses_is_refused(expression: str) -> None:
    with pytest.raises(InvalidScheduleError):
        next_tick(expression, at("2026-11-22T12:00:00"))


def test_ticks_come_in_order_and_in_the_template_s_order_at_one_instant() -> None:
    schedules = [schedule("nightly", "cron(0 0 * * ? *)"), schedule("often", "rate(30 minutes)")]
    due = [(tick.at, tick.schedule.name) for tick in islice(ticks(schedules, at("2026-11-22T23:10:00")), 4)]
    assert due == [
        (at("2026-11-22T23:30:00"), "often"),
        (at("2026-11-23T00:00:00"), "nightly"),
        (at("2026-11-23T00:00:00"), "often"),
        (at("2026-11-23T00:30:00"), "often"),
    ]


@given(start=st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(tzinfo=UTC)))  # noqa: DTZ001
def test_a_run_that_stops_anywhere_resumes_with_the_very_same_ticks(start: datetime) -> None:
    schedules = [schedule("scan", "rate(1 minute)"), schedule("hourly", "rate(1 hour)")]
    whole = list(islice(ticks(schedules, start), 130))
    middle = whole[64].at
    resumed = islice(ticks(schedules, middle), 10)
    assert list(resumed) == [tick for tick in whole if tick.at > middle][:10]


def test_the_event_is_the_input_with_its_context_attributes() -> None:
    tick = next(ticks([schedule("scan", "rate(1 minute)")], at("2026-11-22T12:00:30")))
    assert tick.event["scheduled_time"] == "2026-11-22T12:01:00Z"
    assert len(tick.event["execution_id"]) == 16


def test_in_real_time_ticks_wait_for_their_instant_and_stop_at_once() -> None:
    began = time.monotonic()

    def clock() -> datetime:
        return at("2026-11-22T12:00:59.8") + timedelta(seconds=time.monotonic() - began)

    stop = Event()
    due = ticks_as_due([schedule("scan", "rate(1 minute)"), schedule("x", "rate(1 hour)")], clock, stop)
    assert next(due).at == at("2026-11-22T12:01:00")
    assert time.monotonic() - began >= 0.2
    stop.set()
    assert list(due) == []


def test_after_a_sleep_missed_ticks_are_not_replayed() -> None:
    waking = at("2026-11-22T18:30:20")
    readings = iter([at("2026-11-22T12:01:00"), waking])
    due = ticks_as_due([schedule("scan", "rate(1 minute)")], lambda: next(readings, waking), Event())
    assert [next(due).at for _ in range(2)] == [at("2026-11-22T12:02:00"), at("2026-11-22T18:30:00")]
