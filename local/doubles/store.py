"""The requests that a vendor took, kept so that a kill at any moment loses none of them."""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock

_SCHEMA = """
CREATE TABLE IF NOT EXISTS taken (
  taken_id     INTEGER PRIMARY KEY,
  message_id   TEXT NOT NULL UNIQUE,
  received_at  TEXT NOT NULL,
  request      TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS label (
  label     TEXT NOT NULL,
  taken_id  INTEGER NOT NULL REFERENCES taken ON DELETE CASCADE,
  PRIMARY KEY (label, taken_id)
) WITHOUT ROWID;
"""
_NAMED = "SELECT message_id, received_at, request FROM taken WHERE message_id = ?"
_ALL = "SELECT message_id, received_at, request FROM taken ORDER BY taken_id LIMIT -1 OFFSET ?"
_LABELLED = """
SELECT message_id, received_at, request FROM taken
WHERE taken_id IN (SELECT taken_id FROM label WHERE label IN (SELECT value FROM json_each(?)))
ORDER BY taken_id
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """`request` is JSON."""

    message_id: str
    received_at: datetime
    request: str


class TakenStore:
    """One SQLite file; other processes may read it while a double writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._writer: sqlite3.Connection | None = None
        with closing(self._connect()) as connection:
            connection.executescript(_SCHEMA)

    def open(self) -> None:
        self._writer = self._connect()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def add(self, taken: Taken, labels: Iterable[str]) -> None:
        """Returns once the commit is in the write-ahead log: it outlives this process, however that ends."""
        with self._writing() as transaction:
            row = transaction.execute(
                "INSERT INTO taken (message_id, received_at, request) VALUES (?, ?, ?)",
                (taken.message_id, taken.received_at.isoformat(), taken.request),
            )
            transaction.executemany(
                "INSERT OR IGNORE INTO label VALUES (?, ?)", [(label, row.lastrowid) for label in labels]
            )

    def change(self, taken: Taken) -> None:
        """What is kept under this id becomes this."""
        with self._writing() as transaction:
            transaction.execute(
                "UPDATE taken SET received_at = ?, request = ? WHERE message_id = ?",
                (taken.received_at.isoformat(), taken.request, taken.message_id),
            )

    def remove(self, message_id: str) -> None:
        with self._writing() as transaction:
            transaction.execute("DELETE FROM taken WHERE message_id = ?", (message_id,))

    def named(self, message_id: str) -> Taken | None:
        return next(iter(self._select(_NAMED, message_id)), None)

    def all(self, after: int = 0) -> list[Taken]:
        """But for the first `after`."""
        return self._select(_ALL, after)

    def count(self) -> int:
        with closing(self._connect()) as connection:
            (count,) = connection.execute("SELECT count(*) FROM taken").fetchone()
        return int(count)

    def labelled(self, labels: list[str]) -> list[Taken]:
        """Those with any of the labels."""
        return self._select(_LABELLED, json.dumps(labels))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self._writer is None:
            raise RuntimeError("the store is not open for writing")
        with self._lock, self._writer as transaction:
            yield transaction

    def _select(self, query: str, *values: str | int) -> list[Taken]:
        with closing(self._connect()) as connection:
            rows = connection.execute(query, values).fetchall()
        return [Taken(message_id, datetime.fromisoformat(at), request) for message_id, at, request in rows]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # Enough against the death of the process; only a power cut asks for an fsync per message.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection
