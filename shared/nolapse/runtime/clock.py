"""The time of a run: taken once, at its start, and passed down."""

from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine, text


class Clock(Protocol):
    def now(self) -> datetime: ...


class DatabaseClock:
    """PostgreSQL's clock: the one that all functions share."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def now(self) -> datetime:
        with self._engine.connect() as connection:
            now: datetime = connection.scalar(text("SELECT clock_timestamp()"))
        return now
