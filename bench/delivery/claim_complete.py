"""The statements of scan and dispatch by themselves: claim what is due, begin its attempts, record that they left.

As a program, `python -m bench.delivery.claim_complete SOCKET DRIVER BATCH` does so on one connection and prints the
rate: that is how drivers are compared, since the second one is not the product's.
"""

import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from queue import SimpleQueue
from threading import Thread
from typing import Any

import sqlalchemy
from sqlalchemy import Engine

from bench.delivery import due
from bench.delivery.due import DATABASE, NOW, Base
from nolapse.delivery.attempts import record
from nolapse.domain.routing import Verdict
from nolapse.domain.states import Status
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

ACCEPTED = Verdict("ACCEPTED", None, "noop", Status.SENT)


def measure(base: Base, batch: int, *, workers: int) -> float:
    """Rows a second: one scan that claims, `workers` dispatchers that begin and complete what it hands them."""
    began = time.perf_counter()
    claimed: SimpleQueue[Sequence[Any]] = SimpleQueue()
    dispatchers = [Thread(target=_dispatch, args=(base.engine, claimed)) for _ in range(workers)]
    for each in dispatchers:
        each.start()
    while rows := claim(base.engine, batch):
        claimed.put(rows)
    for _ in dispatchers:
        claimed.put([])
    for each in dispatchers:
        each.join()
    rate = base.rows / (time.perf_counter() - began)
    if base.count("SENT") != base.rows:
        raise RuntimeError(f"{base.count('SENT')} of {base.rows} rows are SENT")
    return rate


def _dispatch(engine: Engine, claimed: "SimpleQueue[Sequence[Any]]") -> None:
    while rows := claimed.get():
        complete(engine, rows)


def claim(engine: Engine, batch: int) -> Sequence[Any]:
    with transaction(engine, "scan") as connection:
        return connection.execute(statement("claim_due"), {"now": NOW, "limit": batch}).all()


def complete(engine: Engine, rows: Sequence[Any]) -> None:
    times = [row.scheduled_at for row in rows]
    same = {
        "numbers": 1, "positions": 1, "channels": "EMAIL", "providers": "noop", "senders": "a@clinic.test",
        "recipients": "b@clinic.test", "hashes": bytes(32),
    }  # fmt: skip
    with transaction(engine, "dispatch") as connection:
        attempts = connection.execute(
            statement("begin_attempts"),
            {name: [value] * len(rows) for name, value in same.items()}
            | {
                "keys": [row.idempotency_key for row in rows],
                "times": times,
                "earliest": min(times),
                "latest": max(times),
                "now": NOW,
                "answer_by": NOW + timedelta(seconds=15),
                "lease_until": NOW + timedelta(seconds=120),
            },
        ).all()
    with transaction(engine, "dispatch") as connection:
        # which time belongs to which attempt matters to nobody: they bound the months that are looked at
        record(
            connection,
            [(row.attempt_id, at, ACCEPTED) for row, at in zip(attempts, times, strict=True)],
            NOW,
        )


def over_psycopg(socket: str) -> Engine:
    # Unnamed statements, as pg8000's: prepared ones pin a connection of RDS Proxy.
    arguments = {"host": socket, "dbname": DATABASE, "user": "nolapse_engine", "prepare_threshold": None}
    return sqlalchemy.create_engine("postgresql+psycopg://", connect_args=arguments)


def main(socket: str, driver: str, batch: int) -> None:
    engine = due.connect(socket) if driver == "pg8000" else over_psycopg(socket)
    done, began = 0, time.perf_counter()
    while rows := claim(engine, batch):
        complete(engine, rows)
        done += len(rows)
    print(done / (time.perf_counter() - began))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
