"""A dispatcher killed at every step of its work: nothing is lost, nothing goes twice."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from local.doubles.server import Exchange
from local.stack import ROOT
from tests.conftest import Database
from tests.integration.delivery.conftest import OPENS, Delivery

WAITING_FOR_A_LOCK = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)
PEOPLE = 3


@pytest.fixture
def dispatcher(delivery: Delivery) -> Iterator[subprocess.Popen[str]]:
    """At work on three queued messages as soon as `start` has told it what they are."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.delivery.killable_dispatcher"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    delivery.due(PEOPLE)
    delivery.scan(OPENS)
    yield process
    process.kill()
    process.communicate()


def start(dispatcher: subprocess.Popen[str], delivery: Delivery) -> None:
    messages = delivery.receive()
    assert len(delivery.opened(messages)) == PEOPLE
    records = [{"messageId": each["MessageId"], "body": each["Body"]} for each in messages]
    assert dispatcher.stdin
    json.dump({"now": OPENS.isoformat(), "event": {"Records": records}}, dispatcher.stdin)
    dispatcher.stdin.close()
    dispatcher.stdin = None


def assert_each_arrives_once(delivery: Delivery) -> None:
    """Live through the rest of the window with what is left."""
    for minutes in range(5, 235, 5):
        delivery.clock.move_to(OPENS + timedelta(minutes=minutes))
        if minutes % 60 == 0:
            delivery.catch_up()
        delivery.send()
        if delivery.statuses() == {"SENT": PEOPLE}:
            break
    assert delivery.statuses() == {"SENT": PEOPLE}
    assert sorted(delivery.keys_sent().values()) == [1] * PEOPLE


@contextmanager
def locked(database: Database, table: str) -> Iterator[None]:
    """Whoever changes a row of `table` waits until the end of the block."""
    with database.owner.begin() as connection:
        connection.execute(text(f"LOCK TABLE {table} IN SHARE MODE"))
        yield


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_waiting(database: Database) -> bool:
    with database.owner.connect() as connection:
        waiting: int = connection.scalar(text(WAITING_FOR_A_LOCK)) or 0
    return waiting > 0


def test_before_its_claim_is_committed(delivery: Delivery, dispatcher: subprocess.Popen[str]) -> None:
    with locked(delivery.register.database, "notification_outbox"):
        start(dispatcher, delivery)
        wait_until(lambda: is_waiting(delivery.register.database))
        dispatcher.kill()
        dispatcher.wait()

    wait_until(lambda: delivery.statuses() == {"QUEUED": PEOPLE})
    assert_each_arrives_once(delivery)


@pytest.mark.parametrize("is_taken", [False, True])
def test_while_the_provider_has_the_messages(
    delivery: Delivery, dispatcher: subprocess.Popen[str], is_taken: bool
) -> None:
    def kill_meanwhile(exchange: Exchange) -> None:
        if is_taken:
            exchange.process()
        dispatcher.kill()
        dispatcher.wait()

    delivery.faults.inject(kill_meanwhile)
    start(dispatcher, delivery)
    dispatcher.wait(30)

    # The other two may have got through or not; who was asked first is chance.
    assert delivery.statuses() == {"SENDING": PEOPLE}
    assert_each_arrives_once(delivery)


def test_after_the_provider_has_answered(delivery: Delivery, dispatcher: subprocess.Popen[str]) -> None:
    database = delivery.register.database
    answered: list[Any] = []

    def count(exchange: Exchange) -> None:
        exchange.reply(exchange.process())
        exchange.write(b"")
        answered.append(exchange)

    def hold_the_outbox(exchange: Exchange) -> None:
        with locked(database, "notification_outbox"):
            count(exchange)
            wait_until(lambda: is_waiting(database))
            dispatcher.kill()
            dispatcher.wait()

    delivery.faults.inject(hold_the_outbox, count, count)
    start(dispatcher, delivery)
    dispatcher.wait(30)

    wait_until(lambda: len(answered) == PEOPLE)
    assert delivery.statuses() == {"SENDING": PEOPLE}
    assert_each_arrives_once(delivery)
    assert {attempt for attempt, _, _ in delivery.attempts()} == {1}


def test_after_its_record_and_before_the_message_is_deleted(
    delivery: Delivery, dispatcher: subprocess.Popen[str]
) -> None:
    start(dispatcher, delivery)
    answer, _ = dispatcher.communicate(timeout=30)
    assert json.loads(answer.splitlines()[-1]) == {"batchItemFailures": []}
    assert len(delivery.mail) == PEOPLE

    assert_each_arrives_once(delivery)
