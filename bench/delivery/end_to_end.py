"""scan() and dispatch() whole, with a provider that does nothing: in one process without a queue, and over the wire."""

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import time as local_time
from datetime import timedelta
from http.client import HTTPConnection
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import boto3

from bench.delivery import due
from bench.delivery.due import NOW
from local.postgres import Postgres
from nolapse.delivery.compose import Sender
from nolapse.delivery.dispatch import DispatchRules, dispatch
from nolapse.delivery.flags import FileStore, Flags
from nolapse.delivery.outlets import Outlet, Outlets
from nolapse.delivery.queue import (
    CARRIED,
    Claimed,
    NotificationQueue,
    QueuedNotification,
    open_message,
)
from nolapse.delivery.scan import PORTION, scan
from nolapse.domain.links import Links
from nolapse.domain.messages import Email
from nolapse.domain.outcomes import Accepted, NotFound, Outcome, ProbeResult
from nolapse.domain.quiet_hours import Hours
from nolapse.domain.seals import KeyRing
from nolapse.runtime.sqs_events import open_batch

# One more than cores: who waits for PostgreSQL, or for another's commit, leaves a core free.
DISPATCHERS = 3
BATCH = 100
RECEIVED_AT_ONCE = 10
# How many messages lie between scan and the dispatchers.
LIMIT = 10_000
PLENTY = 1_000_000_000
KEYS = KeyRing({"bench": "0123456789abcdef" * 2}, "bench")
RULES = DispatchRules(
    timeout=timedelta(seconds=15),
    tries=3,
    lease=timedelta(seconds=120),
    text_hours=Hours(local_time(8), local_time(20)),
    per_tenant_minute=PLENTY,
    per_person_day=PLENTY,
)
SENDER = Sender(
    "Nolapse", "https://portal.test", Links("https://api.test", lambda: KEYS, timedelta(days=120))
)


class Noop:
    name = "noop"

    def send(self, message: Email) -> Outcome:
        return Accepted(message.attempt_id)

    def probe(self, sought: Any) -> ProbeResult:  # noqa: ARG002  as Provider has it
        return NotFound()


OUTLET = Outlet(Noop(), ["desk@clinic.test"], PLENTY)
OUTLETS = Outlets({"EMAIL": {Noop.name: lambda: OUTLET}}, {"EMAIL": PLENTY})


class ListQueue:
    """Where a queue costs nothing."""

    def __init__(self) -> None:
        self.claims: list[Claimed] = []

    def depth(self) -> int:
        return 0

    def send(self, claims: Sequence[Claimed], correlation_id: str) -> int:  # noqa: ARG002  as NotificationQueue has it
        self.claims += claims
        return 0


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """`rate` in messages a second; `standin_share`: of all that the cores could do meanwhile."""

    rate: float
    standin_share: float


class Shared(NamedTuple):
    """Between processes: when all are ready, how many messages were sent, CPU seconds of receiving and deleting."""

    ready: Any
    sent: Any
    polling: Any


def without_a_queue(postgres: Postgres, messages: int) -> float:
    """Messages a second in one process."""
    with due.base(postgres, messages) as base:
        queue: Any = ListQueue()
        began = time.perf_counter()
        while scan(base.engine, queue, flags(), now=NOW, limit=PORTION, correlation_id="bench")["claimed"]:
            queued = [
                QueuedNotification(key=each.idempotency_key.hex(), scheduled_at=each.scheduled_at)
                for each in queue.claims
            ]
            queue.claims.clear()
            for start in range(0, len(queued), BATCH):
                batch = queued[start : start + BATCH]
                dispatch(base.engine, OUTLETS, SENDER, RULES, batch=batch, now=NOW)
        rate = messages / (time.perf_counter() - began)
        check(base)
    return rate


def measure(postgres: Postgres, messages: int) -> EndToEnd:
    """One process that scans, DISPATCHERS that receive, dispatch and delete, and the double in a process of its own."""
    context = multiprocessing.get_context("spawn")
    shared = Shared(context.Barrier(DISPATCHERS + 2), context.Value("q", 0), context.Value("d", 0.0))
    with due.base(postgres, messages) as base, standin() as url:
        workers = [context.Process(target=_scan, args=(postgres.socket, url, shared))] + [
            context.Process(target=_dispatch, args=(postgres.socket, url, messages, shared))
            for _ in range(DISPATCHERS)
        ]
        for each in workers:
            each.start()
        shared.ready.wait()
        began = time.perf_counter()
        for each in workers:
            each.join()
        seconds = time.perf_counter() - began
        check(base)
        used = _cpu_of_children()
    used = _cpu_of_children() - used
    return EndToEnd(messages / seconds, (used + shared.polling.value) / (seconds * (os.cpu_count() or 1)))


def _scan(socket: str, url: str, shared: Shared) -> None:
    engine, queue = due.connect(socket), NotificationQueue(client(url), url, lambda: KEYS)
    shared.ready.wait()
    while True:
        counts = scan(engine, queue, flags(), now=NOW, limit=LIMIT, correlation_id="bench")
        if counts["room"] and not counts["claimed"]:
            return
        # In the cloud it comes once a minute; here when there is room for as much as it claims at once.
        if counts["room"] < PORTION:
            time.sleep(0.05)


def _dispatch(socket: str, url: str, messages: int, shared: Shared) -> None:
    engine, poller, polled = due.connect(socket), Poller(url), 0.0
    shared.ready.wait()
    while shared.sent.value < messages:
        began = time.thread_time()
        received = poller.receive()
        polled += time.thread_time() - began
        if not received:
            time.sleep(0.01)
            continue
        event = {"Records": [{"messageId": each["MessageId"], "body": each["Body"]} for each in received]}
        bodies, _ = open_batch(event, lambda body: open_message(body, KEYS, NOW), function="dispatch")
        batch = list(chain.from_iterable(bodies))
        dispatch(engine, OUTLETS, SENDER, RULES, batch=batch, now=NOW)
        began = time.thread_time()
        poller.delete(received)
        polled += time.thread_time() - began
        with shared.sent.get_lock():
            shared.sent.value += len(batch)
    with shared.polling.get_lock():
        shared.polling.value += polled


class Poller:
    """What Lambda's own poller does in the cloud, as cheaply as it goes: it is not what is measured."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = HTTPConnection(url.split("/")[2])

    def receive(self) -> list[Any]:
        messages: list[Any] = []
        while len(messages) * CARRIED < BATCH:
            found = self._call("ReceiveMessage", MaxNumberOfMessages=RECEIVED_AT_ONCE)["Messages"]
            messages += found
            if len(found) < RECEIVED_AT_ONCE:
                break
        return messages

    def delete(self, received: list[Any]) -> None:
        for start in range(0, len(received), RECEIVED_AT_ONCE):
            self._call(
                "DeleteMessageBatch",
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(received[start : start + RECEIVED_AT_ONCE])
                ],
            )

    def _call(self, action: str, **asked: object) -> Any:
        body = json.dumps({"QueueUrl": self._url} | asked)
        self._connection.request("POST", "/", body, {"X-Amz-Target": f"AmazonSQS.{action}"})
        return json.loads(self._connection.getresponse().read())


@contextmanager
def standin() -> Iterator[str]:
    """The URL of its queue."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.delivery.standin"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = process.stdout.readline().strip() if process.stdout else ""
            yield f"http://127.0.0.1:{port}/000000000000/email"
        finally:
            process.terminate()


def client(url: str) -> Any:
    return boto3.client(
        "sqs", endpoint_url=url.rsplit("/", 2)[0], region_name="us-east-1",
        aws_access_key_id="bench", aws_secret_access_key="bench",  # noqa: S106  the double takes any
    )  # fmt: skip


def flags() -> Flags:
    """None are set: everything is sent."""
    return Flags(FileStore(Path(__file__).with_name("flags.json")), _refuse)


def _refuse(kind: str) -> None:
    raise RuntimeError(f"no flags: {kind}")


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def check(base: due.Base) -> None:
    if base.count("SENT") != base.rows:
        raise RuntimeError(f"{base.count('SENT')} of {base.rows} messages were sent")
