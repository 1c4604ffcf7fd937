"""Disasters by name, each lived through by the real functions and judged like any seed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Connection

from local.doubles.server import Exchange, answer_normally
from tests.simulation.base import DAY, START, Period, fill, people
from tests.simulation.conftest import LOST_SOCKETS
from tests.simulation.lives import Life
from tests.simulation.run import CATCH_UP, DISPATCH, MAINTENANCE, RECONCILE, SCAN, WATCHDOG, Plan, Run
from tests.simulation.vendors import SEND, TWILIO, VENDORS, Vendor
from tests.simulation.weather import Kind, Spell, Weather
from tests.simulation.world import E_MAIL, World

pytestmark = LOST_SOCKETS

TWO_DAYS = Period(START, timedelta(days=2))
PEOPLE = 7


def plan(when: Period, base: Callable[[Connection], None], *kinds: Kind) -> Plan:
    return Plan(0, set(kinds), when, base)


def test_a_day_of_downtime_is_made_up_for_within_the_twenty_fifth_hour(world: World) -> None:
    down = Spell(START + timedelta(hours=1), START + timedelta(hours=25))
    weather = Weather(0, spells={Kind.MISSED_25_HOURS: down})
    run = Run(world, plan(TWO_DAYS, partial(people, number=100), Kind.MISSED_25_HOURS), weather)

    verdict = run.live()

    assert verdict.holds, dict(verdict.wrong)
    assert (verdict.expected, verdict.arrived) == (100, 100)
    hours = [(email.received_at - down.start) / timedelta(hours=1) for email in run.record.received]
    assert min(hours) >= 24
    assert max(hours) <= 26


def test_of_a_hundred_workers_on_one_row_one_sends(world: World) -> None:
    world.reset(START, 0)
    with world.owner.begin() as connection:
        people(connection, 1)
    world.invoke(RECONCILE, {})
    world.clock.move_to(START + timedelta(hours=2))
    assert world.invoke(SCAN, {}).value["claimed"] == 1
    record = {"messageId": "1", "body": world.queue.bodies[0]}

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: world.invoke(DISPATCH, {"Records": [record]}), range(100)))

    assert [answer.error for answer in answers] == [None] * 100
    assert len(world.received) == 1
    assert world.scalar("SELECT count(*) FROM notification_outbox") == 1
    assert world.scalar("SELECT status FROM notification_schedule WHERE event = 'SECONDARY'") == "SENT"


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
@pytest.mark.parametrize("is_taken", [True, False])
def test_killed_between_the_providers_answer_and_our_commit(
    world: World, vendor: Vendor, is_taken: bool
) -> None:
    """All messages of the batch had been taken, or none: then the provider is asked, and each arrives once."""
    deaths: list[object] = []

    def die(exchange: Exchange) -> None:
        if vendor.step(exchange) != SEND or len(deaths) == PEOPLE:
            answer_normally(exchange)
            return
        assert world.sending
        world.sending.dead = True
        world.sending.suffered.add(Kind.KILLED_SENDING)
        deaths.append(exchange.process() if is_taken else exchange.read())
        exchange.reset()

    base = partial(people, number=PEOPLE, channel="SMS" if vendor is TWILIO else "EMAIL")
    first = [vendor.name] if vendor.name in E_MAIL else []
    run = Run(
        world,
        replace(plan(DAY, base), providers=[*first, *(name for name in E_MAIL if name not in first)]),
        Weather(0),
        provider_faults={vendor.double or vendor.name: die},
    )

    verdict = run.live()

    assert verdict.holds, dict(verdict.wrong)
    assert len(deaths) == PEOPLE
    assert (verdict.expected, verdict.arrived) == (PEOPLE, PEOPLE)
    attempts = world.scalar("SELECT max(attempt_number) FROM notification_outbox")
    assert attempts == (1 if is_taken else 2)


def test_the_database_crashes_while_the_provider_has_the_batch(world: World) -> None:
    crashes: list[object] = []

    def crash(exchange: Exchange) -> None:
        reply = exchange.process()
        if not crashes:
            crashes.append(exchange)
            world.crash_database()
        exchange.reply(reply)

    run = Run(
        world, plan(DAY, partial(people, number=PEOPLE)), Weather(0), provider_faults={"sendgrid": crash}
    )

    verdict = run.live()

    assert crashes
    assert verdict.holds, dict(verdict.wrong)
    assert (verdict.expected, verdict.arrived) == (PEOPLE, PEOPLE)


@pytest.mark.parametrize(
    ("function", "steps"),
    [(MAINTENANCE, 8), (RECONCILE, 20), (SCAN, 10), (DISPATCH, 7), (CATCH_UP, 20), (WATCHDOG, 10)],
)
def test_killed_at_every_statement_of_a_function(world: World, function: str, steps: int) -> None:
    """Each invocation dies one step later than the last that died, until none has so many. `steps`: at least."""

    def deaths() -> list[str]:
        return [answer.function for answer in world.answers if answer.life.dead]

    def next_life(invoked: str) -> Life:
        return Life(dies_at=len(deaths()) if invoked == function else None)

    base = partial(fill, seed=1, when=TWO_DAYS, people=10)
    often = (timedelta(minutes=1),) * 200
    run = Run(world, plan(TWO_DAYS, base), Weather(0), next_life=next_life, retries=often)

    verdict = run.live()

    assert verdict.holds, dict(verdict.wrong)
    assert set(deaths()) == {function}
    assert len(deaths()) >= steps
