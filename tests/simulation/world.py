"""The stack of template.yaml over one database, ready to live through one run after another."""

import io
import logging
import os
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any

import boto3
from sqlalchemy import Connection, Engine, Row, text
from sqlalchemy.exc import DBAPIError

from local.doubles.received import ReceivedEmail, ReceivedText
from local.doubles.server import Fault
from local.doubles.sqs import Misbehaviour, QueueRules, Reliable, SqsDouble, queue_rules
from local.lambda_runtime import FunctionError
from local.postgres import Postgres
from local.queues import EventSource
from local.stack import RunningStack, running
from local.template import Schedule, queue_attributes
from nolapse.runtime import bootstrap
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.settings import Settings
from tests.simulation.lives import Killed, Life, current, living, watch_statements, watched_requests
from tests.simulation.vendors import TIMEOUT

# What a run writes, children first.
WRITTEN = (
    "scheduler_heartbeat", "provider_circuit", "sending_pace", "acknowledgements",
    "provider_receipts", "suppressions", "notification_outbox", "notification_schedule", "audit_log", "person_dates",
    "licenses",
    "clinicians", "policy_version WHERE tenant_id IS NOT NULL",
    "policy_version WHERE policy_id IN (SELECT policy_id FROM renewal_policies WHERE occasion <> 'LICENSE_EXPIRY')",
    "renewal_policies WHERE tenant_id IS NOT NULL OR occasion <> 'LICENSE_EXPIRY'", "tenants",
)  # fmt: skip

# Longer than a run. Each month is a partition, and the optimiser looks at all of them for every statement: so there are
# those that a run is about, and one for all before them.
SETTINGS: Mapping[str, Any] = {"horizon_months": 1, "provider_timeout_seconds": TIMEOUT}
BEFORE = timedelta(days=31)
# A run that begins so much later is still about these months.
MONTHS_KEPT = timedelta(days=45)
MONTHS_OF_A_RUN = text("""
DO $$
DECLARE
  leaf  regclass;
  first date := current_setting('run.first')::timestamptz AT TIME ZONE 'UTC';
BEGIN
  FOR leaf IN
    SELECT inhrelid FROM pg_inherits
    WHERE inhparent = 'notification_schedule'::regclass AND inhrelid <> 'notification_schedule_past'::regclass
  LOOP
    EXECUTE format('DROP TABLE %s', leaf);
  END LOOP;
  CREATE TABLE notification_schedule_older (LIKE notification_schedule INCLUDING ALL);
  EXECUTE format('ALTER TABLE notification_schedule ATTACH PARTITION notification_schedule_older '
    'FOR VALUES FROM (%L) TO (%L)', '2026-01-01 00:00+00', first::timestamp AT TIME ZONE 'UTC');
  PERFORM ensure_schedule_partitions(first, (first + interval '3 months')::date);
END $$
""")

# Vendors by the names of their doubles.
OTHERS = ("graph", "mailgun", "twilio")
E_MAIL = ("sendgrid", "graph", "mailgun")

CONNECTIONS = "FROM pg_stat_activity WHERE datname = current_database() AND usename = 'nolapse_engine'"
TERMINATE = f"SELECT array_agg(pid) FROM (SELECT pid, pg_terminate_backend(pid) {CONNECTIONS}) AS told"  # noqa: S608  text of ours
REMAINING = f"SELECT EXISTS (SELECT {CONNECTIONS} AND pid = ANY (CAST(:told AS integer[])))"


def _untroubled(_function: str) -> Life:
    return Life()


class Clock:
    """The world's time; for an invocation it is as much off as that function's clock."""

    def __init__(self) -> None:
        self.true = datetime.max

    def now(self) -> datetime:
        life = current()
        return self.true + life.skew if life else self.true

    def move_to(self, instant: datetime) -> None:
        self.true = max(self.true, instant)


class Transcript(logging.Handler):
    """All that functions write: log records with their fields, what is printed (metrics), what errors say."""

    def __init__(self) -> None:
        super().__init__()
        self.printed = io.StringIO()
        self._noted: list[str] = []

    @property
    def text(self) -> str:
        return self.printed.getvalue() + "".join(self._noted)

    def emit(self, record: logging.LogRecord) -> None:
        self.note([f"{vars(record)}\n"])

    def note(self, lines: Iterable[str]) -> None:
        self._noted += lines

    def clear(self) -> None:
        self.printed.seek(0)
        self.printed.truncate()
        self._noted.clear()


@dataclass(slots=True)
class Answer:
    """What became of an invocation: its answer, or how it failed, and whether a fault explains that."""

    function: str
    life: Life
    value: Any = None
    error: str | None = None
    explained: bool = False

    @property
    def is_inexplicable(self) -> bool:
        return self.error is not None and not self.explained


@dataclass
class World:
    stack: RunningStack
    queue: SqsDouble
    clock: Clock
    owner: Engine
    # The owner's, committing each statement, kept open for the many looks at how things stand.
    looking: Connection
    mail: Path
    transcript: Transcript
    # What meets every request of the product to a provider, by its double's name, and to the queue.
    provider_faults: Mapping[str, Fault] = field(default_factory=dict)
    queue_fault: Fault | None = None
    # Doubles that a request came to.
    asked: set[str] = field(default_factory=set)
    # What befalls each invocation, by its function's name.
    next_life: Callable[[str], Life] = _untroubled
    # The dispatcher at work, or the last, and when it began.
    sending: Life | None = None
    sending_since: datetime = datetime.max
    # How often the database or the queue failed everybody who was at work, and how often that was over.
    disturbances: int = 0
    disturbances_over: int = 0
    answers: list[Answer] = field(default_factory=list)
    # Two functions at once may both lose the database, and one connection answers one question at a time.
    _asking: RLock = field(default_factory=RLock)
    _runtimes: dict[str, Runtime] = field(default_factory=dict)
    # Since when each month has its partition.
    _months: datetime | None = None

    @property
    def doubles(self) -> Mapping[str, Any]:
        """By name: what people received is what these kept."""
        return {"sendgrid": self.stack.sendgrid, **self.stack.others}

    @property
    def received(self) -> list[ReceivedEmail | ReceivedText]:
        return [message for double in self.doubles.values() for message in double.messages()]

    def prefer(self, providers: Sequence[str]) -> None:
        """Vendors of e-mail in this order, from now on."""
        order = ",".join(providers)
        if order not in self._runtimes:
            settings = Settings.read().model_copy(update={"email_providers": order, **SETTINGS})
            made = Runtime(settings, self.clock)
            watch_statements(made.engine, self.lose_connections, self.crash_database)
            self._runtimes[order] = made
        bootstrap.install(self._runtimes[order])

    def close(self) -> None:
        self.looking.close()
        for made in self._runtimes.values():
            made.engine.dispose()

    def reset(
        self,
        at: datetime,
        seed: int,
        misbehaviour: Misbehaviour | None = None,
        providers: Sequence[str] = E_MAIL,
    ) -> None:
        """An empty base and empty doubles, at that time, with these providers of e-mail."""
        self.prefer(providers)
        with self.owner.begin() as connection:
            # A replica fires no trigger: the audit log may be emptied, and nothing is written to it.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for rows in WRITTEN:
                connection.execute(text(f"DELETE FROM {rows}"))  # noqa: S608  our own constants
            self._make_months(connection, at - BEFORE)
        for mail in (self.mail, *(self.mail.with_suffix(f".{name}.sqlite") for name in OTHERS)):
            with closing(sqlite3.connect(mail, isolation_level=None)) as store:
                store.execute("DELETE FROM label")
                store.execute("DELETE FROM taken")
        self.queue.empty(seed, misbehaviour or Reliable())
        self.transcript.clear()
        self.clock.true = at
        self.provider_faults, self.queue_fault = {}, None
        self.next_life = _untroubled
        self.answers.clear()
        self.asked.clear()

    def _make_months(self, connection: Connection, since: datetime) -> None:
        if self._months is None or not self._months <= since < self._months + MONTHS_KEPT:
            self._months = since.replace(day=1, hour=0, minute=0)
            first = {"first": self._months.isoformat()}
            connection.execute(text("SELECT set_config('run.first', :first, true)"), first)
            connection.execute(MONTHS_OF_A_RUN)

    def invoke(self, function: str, event: Any, life: Life | None = None) -> Answer:
        """As Lambda would: an error or a death is an answer too."""
        answer, calm_since = Answer(function, life or self.next_life(function)), self.disturbances_over
        try:
            with living(answer.life):
                answer.value = self.stack.functions.invoke(function, event)
                answer.life.step()
        except Killed:
            answer.error = "killed"
        except FunctionError as error:
            answer.error = f"{error.error_type}\n{error.trace}"
            self.transcript.note(traceback.format_exception(error.__cause__ or error))
        answer.explained = bool(answer.life.suffered) or self.disturbances > calm_since
        self.answers.append(answer)
        return answer

    def drain(self) -> None:
        """Batches to the dispatcher, one at a time, until the queue shows no more."""
        while (visible := self.next_visible()) is not None and visible <= self.clock.true:
            if not self._source.poll_once().received:
                return

    def next_visible(self) -> datetime | None:
        """When the dispatcher's queue next has a message to hand over."""
        return self.queue.next_visible(self._work)

    def look(self, sql: str, **parameters: Any) -> Row[Any]:
        """The one row that `sql` selects."""
        with self._asking:
            try:
                return self.looking.execute(text(sql), parameters).one()
            except (DBAPIError, OSError):
                self._look_again()
                return self.looking.execute(text(sql), parameters).one()

    def scalar(self, sql: str, **parameters: Any) -> Any:
        return self.look(sql, **parameters)[0]

    def crash_database(self) -> None:
        """A backend dies, so the server ends all others and recovers what was committed."""
        with self.disturbance(), self._asking:
            backend: int = self.scalar("SELECT pg_backend_pid()")
            os.kill(backend, signal.SIGKILL)
            # Once the server knows of it, nobody connects anew before it has recovered.
            while _is_there(backend):
                time.sleep(0.001)
            self.owner.dispose()
            self._look_again()

    @contextmanager
    def disturbance(self) -> Iterator[None]:
        """Who was at work meanwhile, also who began within, may fail by it."""
        self.disturbances += 1
        yield
        self.disturbances_over += 1

    def _look_again(self) -> None:
        self.looking.invalidate()
        self.looking.close()
        deadline = time.monotonic() + 30
        while True:
            try:
                self.looking = _look(self.owner)
            except (DBAPIError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def lose_connections(self) -> None:
        """What a restart of the server is to the product: every connection is gone."""
        with self.disturbance():
            # Who connects meanwhile, another function at work at once, may stay.
            told = self.scalar(TERMINATE) or []
            while self.scalar(REMAINING, told=told):
                time.sleep(0.001)

    @cached_property
    def schedules(self) -> Sequence[Schedule]:
        return self.stack.stack.schedules

    @cached_property
    def _work(self) -> str:
        (trigger,) = self.stack.stack.queue_triggers
        return self.stack.stack.ref(trigger.queue)

    @cached_property
    def _source(self) -> EventSource:
        (trigger,) = self.stack.stack.queue_triggers
        poller = boto3.session.Session().client("sqs")
        return EventSource(trigger, self.stack.stack, _Dispatchers(self), poller, pollers=1)


@dataclass(frozen=True, slots=True)
class Watched:
    """Functions as an API invokes them: what fails there, is an error to it."""

    world: World

    def invoke(self, function: str, event: Any) -> Any:
        answer = self.world.invoke(function, event)
        if answer.error is not None:
            raise FunctionError(function, "Runtime.ExitError", "")
        return answer.value


@dataclass(frozen=True, slots=True)
class _Dispatchers:
    """The dispatcher as the event source invokes it: what fails there, an error to it, comes again."""

    world: World

    def invoke(self, function: str, event: Any) -> Any:
        world = self.world
        world.sending, world.sending_since = world.next_life(function), world.clock.true
        try:
            answer = world.invoke(function, event, world.sending)
        finally:
            world.sending = None
        if answer.error is not None:
            raise FunctionError(function, "Runtime.ExitError", "")
        return answer.value


@contextmanager
def world(postgres: Postgres, database: str, folder: Path) -> Iterator[World]:
    """`database`: a clone of the template that nobody else uses."""
    clock, mail, made = Clock(), folder / "mail.sqlite", list[World]()

    def faults_of(name: str) -> Callable[[], Fault | None]:
        def meeting() -> Fault | None:
            made[0].asked.add(name)
            return made[0].provider_faults.get(name)

        return meeting

    with ExitStack() as open_things:
        stack = open_things.enter_context(
            running(
                postgres,
                database,
                mail=mail,
                clock=clock,
                faults=faults_of("sendgrid"),
                others={name: faults_of(name) for name in OTHERS},
            )
        )
        queue = open_things.enter_context(
            SqsDouble(_queue_rules(stack), clock.now, lambda: made[0].queue_fault)
        )
        open_things.enter_context(_environment(AWS_ENDPOINT_URL_SQS=queue.url, AWS_MAX_ATTEMPTS="1"))
        open_things.enter_context(watched_requests())
        owner = postgres.engine(database)
        open_things.callback(owner.dispose)
        transcript = open_things.enter_context(_transcript(stack))
        made.append(World(stack, queue, clock, owner, _look(owner), mail, transcript))
        open_things.callback(made[0].close)
        yield made[0]


def _is_there(pid: int) -> bool:
    """Also as a process that is dead and was not asked for."""
    return Path(f"/proc/{pid}").exists()


def _look(owner: Engine) -> Connection:
    return owner.connect().execution_options(isolation_level="AUTOCOMMIT")


def _queue_rules(stack: RunningStack) -> dict[str, QueueRules]:
    made = stack.stack
    return queue_rules(
        (made.ref(name), made.arn(name), queue_attributes(properties, made.references))
        for name, properties in made.template.resources("AWS::SQS::Queue")
    )


@contextmanager
def _transcript(stack: RunningStack) -> Iterator[Transcript]:
    transcript = Transcript()
    service = stack.stack.environment["POWERTOOLS_SERVICE_NAME"]
    loggers = [logging.getLogger(), logging.getLogger(service)]
    for logger in loggers:
        logger.addHandler(transcript)
    yield transcript
    for logger in loggers:
        logger.removeHandler(transcript)


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    yield
    for name, value in former.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
