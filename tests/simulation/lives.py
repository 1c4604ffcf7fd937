"""What one invocation lives through: it may die, lose its database or see it crash, before any statement, commit or
request.

Between two such points an invocation changes nothing that anybody sees, so "before each" is also "after each".
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import boto3
from sqlalchemy import Connection, Engine, event

from tests.simulation.weather import Kind


class Killed(BaseException):
    """The process is gone. No Exception: nothing of the product may catch it."""


@dataclass(slots=True)
class Life:
    """One invocation of a function, and at which of its steps, from 0 on, what befalls it.

    `unanswered`: the first commit from there on succeeds, and its answer is lost.
    """

    dies_at: int | None = None
    database_lost_at: int | None = None
    database_crashes_at: int | None = None
    unanswered_at: int | None = None
    dies_sending: bool = False
    skew: timedelta = timedelta()
    dead: bool = False
    steps: int = 0
    suffered: set[Kind] = field(default_factory=set)

    def step(self) -> None:
        """Once dead, nothing that the product still does on its way out counts."""
        if self.dead or self.steps == self.dies_at:
            if not self.dead:
                self.suffered.add(Kind.KILLED)
            self.dead = True
            raise Killed
        self.steps += 1


_own = threading.local()


def current() -> Life | None:
    """The life of the invocation that this thread runs."""
    life: Life | None = getattr(_own, "life", None)
    return life


@contextmanager
def living(life: Life) -> Iterator[Life]:
    former, _own.life = current(), life
    try:
        yield life
    finally:
        _own.life = former


def watch_statements(engine: Engine, lose_connections: Callable[[], None], crash: Callable[[], None]) -> None:
    """Every statement and commit of the product's engine is a step; so is what follows a lost connection."""

    @event.listens_for(engine, "before_cursor_execute")
    def before_statement(*_: Any) -> None:
        _step(lose_connections, crash)

    @event.listens_for(engine, "commit")
    def before_commit(connection: Connection) -> None:
        _step(lose_connections, crash)
        life = current()
        if life and life.unanswered_at is not None and life.steps > life.unanswered_at:
            life.unanswered_at = None
            life.suffered.add(Kind.COMMIT_UNANSWERED)
            connection.connection.commit()
            lose_connections()


def _step(lose_connections: Callable[[], None], crash: Callable[[], None]) -> None:
    life = current()
    if life is None:
        return
    life.step()
    if life.steps - 1 == life.database_lost_at:
        life.suffered.add(Kind.DATABASE_LOST)
        lose_connections()
    if life.steps - 1 == life.database_crashes_at:
        life.suffered.add(Kind.DATABASE_CRASHED)
        crash()


@contextmanager
def watched_requests() -> Iterator[None]:
    """Every request that the product's boto3 clients send is a step."""
    former, session = boto3.DEFAULT_SESSION, boto3.session.Session()
    boto3.DEFAULT_SESSION = session

    def before_send(**_: Any) -> None:
        life = current()
        if life is not None:
            life.step()

    session.events.register("before-send.sqs", before_send)
    try:
        yield
    finally:
        boto3.DEFAULT_SESSION = former
