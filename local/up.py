"""The stack kept running in real time: schedules tick, queues and buckets are polled, API and mailbox answer."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Event, Thread

from local.clock import SystemClock
from local.demo import mailbox_messages
from local.doubles.received import ReceivedNotice
from local.http import Api, HttpServer
from local.lambda_runtime import FunctionError
from local.mailbox import write_mailbox
from local.postgres import Postgres
from local.receipts import UntakenError
from local.schedules import ticks_as_due
from local.stack import RunningStack, running

DATABASE = "up"
# In the home, while it runs: the variables of its functions, for commands in other terminals.
ENVIRONMENT = "up-environment.json"
MAILBOX_SECONDS = 5
RECEIPT_SECONDS = 2

log = logging.getLogger(__name__)


@contextmanager
def up(postgres: Postgres, home: Path, port: int) -> Iterator[str]:
    """Runs from `with` to the end of its block; gives the URL of the API."""
    stop = Event()
    mailbox = home / "up-mailbox"
    # One channel of operators: both would show everything twice.
    ops = {"slack": lambda: None}
    with running(postgres, DATABASE, mail=home / "up-mail.sqlite", clock=SystemClock(), ops=ops) as stack:
        _write_mailbox(stack, mailbox)
        environment = home / ENVIRONMENT
        environment.write_text(json.dumps(dict(stack.environment)), encoding="utf-8")
        threads = [_thread("schedules", lambda: _tick(stack, stop))]
        threads += [_thread("queue", partial(queue.run, stop)) for queue in stack.queues]
        threads += [_thread("bucket", partial(bucket.run, stop)) for bucket in stack.buckets]
        threads += [_thread("receipts", lambda: _tell_receipts(stack, stop))]
        threads += [_thread("mailbox", lambda: _keep_mailbox(stack, mailbox, stop))]
        api = Api(stack.stack.routes, stack.functions, {"/mailbox": mailbox})
        with HttpServer(api, port) as server:
            try:
                yield server.url
            finally:
                stop.set()
                environment.unlink()
                for thread in threads:
                    thread.join()


def _thread(name: str, target: Callable[[], None]) -> Thread:
    thread = Thread(name=name, target=target)
    thread.start()
    return thread


def _tick(stack: RunningStack, stop: Event) -> None:
    # As after a deploy: what stopped with the last run is picked up at once.
    for function in ("MaintenanceFunction", "CatchUpFunction", "ReconcileFunction"):
        _invoke(stack, function, {})
    for tick in ticks_as_due(stack.stack.schedules, SystemClock().now, stop):
        _invoke(stack, tick.schedule.function, tick.event)


def _invoke(stack: RunningStack, function: str, event: object) -> None:
    try:
        stack.functions.invoke(function, event)
    except FunctionError as error:
        log.exception("function failed", extra={"function": error.function})


def _tell_receipts(stack: RunningStack, stop: Event) -> None:
    while not stop.wait(RECEIPT_SECONDS):
        try:
            stack.receipts.deliver()
        except UntakenError:
            log.exception("receipts were not taken: they are told again")


def _keep_mailbox(stack: RunningStack, mailbox: Path, stop: Event) -> None:
    written = -1
    while not stop.wait(MAILBOX_SECONDS):
        count = len(stack.sendgrid.messages()) + len(_notices(stack))
        if count != written:
            written = count
            _write_mailbox(stack, mailbox)


def _write_mailbox(stack: RunningStack, mailbox: Path) -> None:
    write_mailbox(mailbox_messages(stack.engine, stack.sendgrid.messages()), mailbox, _notices(stack))


def _notices(stack: RunningStack) -> list[ReceivedNotice]:
    return [notice for channel in stack.ops.values() for notice in channel.messages()]
