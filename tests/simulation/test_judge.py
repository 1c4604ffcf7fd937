"""The simulation can fail: a doctored record is found out, and so is a product that does wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from local.doubles.server import Exchange, Reply, answer_normally
from nolapse.runtime.bootstrap import runtime
from tests.simulation.base import DAY, people
from tests.simulation.conftest import LOST_SOCKETS
from tests.simulation.judge import Record, Verdict
from tests.simulation.lives import Life
from tests.simulation.run import CATCH_UP, Plan, Run
from tests.simulation.tally import Tally
from tests.simulation.vendors import ASK, KEY, SENDGRID
from tests.simulation.weather import Kind, Weather
from tests.simulation.world import World

pytestmark = LOST_SOCKETS

PLAN = Plan(0, set(), DAY, partial(people, number=7), tells=True)


@pytest.fixture(scope="module")
def run(world: World) -> Run:
    """Lived through without a fault."""
    made = Run(world, PLAN, Weather(0))
    assert made.live().holds
    assert made.record.received
    return made


def blamed(verdict: Verdict) -> dict[str, int]:
    return {what: len(offenders) for what, offenders in verdict.wrong.items()}


def without_one(record: Record) -> Record:
    return replace(record, received=record.received[1:])


def one_twice(record: Record) -> Record:
    return replace(record, received=[*record.received, record.received[-1]])


def one_a_day_later(record: Record) -> Record:
    first = record.received[0]
    moved = replace(first, received_at=first.received_at + timedelta(hours=13))
    return replace(record, received=[moved, *record.received[1:]])


def one_came_back(record: Record) -> Record:
    """And nobody was told so: the person was not reached, and the product can't know."""
    return replace(record, stories=[replace(record.stories[0], came_back=True), *record.stories[1:]])


def one_was_said_to_come_back(record: Record) -> Record:
    first = record.stories[0]
    said = replace(first, came_back=True, told={*first.told, "bounce"}, tried={*first.tried, "bounce"})
    return replace(record, stories=[said, *record.stories[1:]])


def one_was_never_said_to_arrive(record: Record) -> Record:
    """By an attempt that nothing else proves."""
    return replace(
        record,
        stories=[replace(each, message=replace(each.message, attempt_id="")) for each in record.stories[:1]],
    )


def one_that_nobody_is_owed(record: Record) -> Record:
    return replace(record, received=[*record.received, replace(record.received[0], key="0" * 64)])


@pytest.mark.parametrize(
    ("doctor", "wrong"),
    [
        (without_one, {"lost": 1, "schedule contradicts the record": 1}),
        (one_twice, {"doubled": 1}),
        (one_that_nobody_is_owed, {"unexpected": 1}),
        (one_came_back, {}),
        (one_was_said_to_come_back, {"lost": 1, "schedule contradicts the record": 1, "receipt without effect": 1,
                                     "receipt moved nothing": 1}),
        (one_was_never_said_to_arrive, {"message of no attempt": 1}),
        (lambda record: replace(record, believed=["sendgrid bounce"]), {"forged receipt believed": 1}),
        (lambda record: replace(record, written="To: Zebulon"), {"canary leaked": 1}),
        (lambda record: replace(record, failures=["ScanFunction"]), {"function failed without a fault": 1}),
        (lambda record: replace(record, reconciled={"drift": 1}), {"reconcile: drift": 1}),
        (lambda record: replace(record, watched={"alarms": 1}), {"watchdog alarms": 1}),
        (lambda record: replace(record, bodies=[runtime().key_ring.seal("queue", {"key": "", "name": ""})]),
         {"queue message says more than ids": 1}),
    ],
)  # fmt: skip
def test_a_doctored_record_is_found_out(
    run: Run, doctor: Callable[[Record], Record], wrong: dict[str, int]
) -> None:
    assert blamed(run.judge(doctor(run.record))) == wrong


def test_what_arrived_at_the_wrong_time_is_found_out(run: Run) -> None:
    assert "outside" in run.judge(one_a_day_later(run.record)).wrong


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        ("DELETE FROM notification_schedule WHERE status = 'DELIVERED'", "no row"),
        (
            "UPDATE notification_schedule SET status = 'HELD', reason = 'x' WHERE status = 'DELIVERED'",
            "not settled",
        ),
        (
            "UPDATE notification_outbox SET outcome = 'UNKNOWN', provider_message_id = NULL",
            "receipt without effect",
        ),
        (
            "UPDATE notification_schedule SET status = 'SENT' WHERE status = 'DELIVERED'",
            "receipt moved nothing",
        ),
        ("UPDATE audit_log SET to_status = 'SENT' WHERE seq = 2", "audit chain broken"),
        ("UPDATE notification_schedule SET status = 'SENT' WHERE status = 'DELIVERED'", "audit story broken"),
    ],
)
def test_a_damaged_base_is_found_out(run: Run, world: World, damage: str, wrong: str) -> None:
    run.live()
    with world.owner.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(damage))
    assert wrong in run.judge(run.record).wrong


def test_a_provider_that_denies_what_it_took_doubles(world: World) -> None:
    """The weakness of a weak probe, and the proof that the judge sees it."""
    seen: set[bytes] = set()

    def take_and_deny(exchange: Exchange) -> None:
        if SENDGRID.step(exchange) == ASK:
            exchange.reply(Reply(200, {"messages": []}))
        elif not seen.issuperset(keys := KEY.findall(exchange.read().body)):
            seen.update(keys)
            exchange.process()
            exchange.reset()
        else:
            answer_normally(exchange)

    run = Run(world, replace(PLAN, tells=False), Weather(0), provider_faults={"sendgrid": take_and_deny})
    verdict = run.live()
    tally = Tally()
    tally.add(run.weather, verdict)
    assert verdict.doubled
    assert not tally.holds
    assert list(tally.summary())[-1] == f"lost {verdict.lost} doubled {verdict.doubled}"


def test_without_catch_up_somebody_is_lost(world: World) -> None:
    down = Weather(0, intensity={Kind.RESET_BEFORE: 1.0})
    run = Run(
        world, PLAN, down,
        next_life=lambda function: Life(dies_at=0 if function == CATCH_UP else None), retries=(),
        grace=timedelta(days=1),
    )  # fmt: skip
    assert run.live().lost
