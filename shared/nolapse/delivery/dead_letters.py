"""Dead-letter queues read by what the database knows: what each letter was about, and what became of that.

Redrive returns rows to waiting instead of moving messages: the database decides what is sent, whatever lies on a queue.
It may be cut off at any point and begun again: a row is returned before its letter is deleted, and is then waiting.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from pydantic import ValidationError
from sqlalchemy import Connection, Engine

from nolapse.delivery.queue import BATCH, QueuedNotification, open_message
from nolapse.delivery.throttle import Throttle
from nolapse.domain.errors import NolapseError
from nolapse.domain.seals import BrokenSeal, KeyRing
from nolapse.domain.states import Status
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

# How long a letter is hidden from others, and from us, while it is looked at.
HIDDEN_SECONDS = 300
# Anybody who may write to the queue can say that a run was lost: nothing but this reaches the database or a terminal.
ARN = re.compile(r"arn:[\w:/$.-]+", re.ASCII)
# What a column of text can hold.
STORABLE = re.compile(r"[^\0\ud800-\udfff]*")
# What reading a stranger's JSON raises where it is of another shape, or nested too deep.
NO_SUCH_SHAPE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class UnknownQueue(NolapseError):
    """The stack has no dead-letter queue of this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no dead-letter queue {name!r}; there are {', '.join(known)}")
        self.name = name


class Fate(StrEnum):
    """What redrive does with a letter."""

    AGAIN = "waits again"
    DROPPED = "dropped"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Letter:
    """What a message says of one thing; of several, it is as many letters.

    `about` is a notification; `arn` the function whose run was lost; neither: not sealed by us, and no lost run.

    `register`: tenant and file of a lost import, which only an import of the same file makes up for.
    """

    message_id: str
    receipt: str
    sent_at: datetime
    about: QueuedNotification | None = None
    arn: str | None = None
    register: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A letter with what became of its row. `state` is a notification's status or what stands for one."""

    queue: str
    letter: Letter
    tenant_id: str | None
    tenant: str | None
    event: str | None
    state: str
    fate: Fate

    @property
    def subject(self) -> str:
        if self.letter.about:
            return f"notification:{self.letter.about.key}"
        return f"message:{self.letter.message_id}"


class DeadLetterQueue:
    def __init__(self, client: "SQSClient", url: str, keys: Callable[[], KeyRing]) -> None:
        self._client = client
        self._url = url
        self._keys = keys

    @property
    def name(self) -> str:
        return self._url.rpartition("/")[2]

    def depth(self) -> int:
        answer = self._client.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def batches(self, most: int, now: datetime) -> Iterator[list[Letter]]:
        """The letters of up to `most` messages, hidden from then on, until a long poll brings no more."""
        while most > 0:
            answer = self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(BATCH, most),
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["TARGET_ARN"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            most -= len(messages)
            yield [letter for message in messages for letter in self._read(message, now)]

    def delete(self, letters: Sequence[Letter]) -> None:
        for some in _tens(letters):
            self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(some)],
            )

    def show(self, letters: Sequence[Letter]) -> None:
        """Let them be seen again at once."""
        for some in _tens(letters):
            self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(at), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                    for at, receipt in enumerate(some)
                ],
            )

    def _read(self, message: Mapping[str, Any], now: datetime) -> list[Letter]:
        sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
        letter = Letter(message["MessageId"], message["ReceiptHandle"], sent_at)
        try:
            rows = open_message(message["Body"], self._keys(), now)
        except (BrokenSeal, ValidationError):
            arn = _lost_run(message)
            return [replace(letter, arn=arn, register=_lost_register(message["Body"]) if arn else None)]
        return [replace(letter, about=row) for row in rows]


def _lost_run(message: Mapping[str, Any]) -> str | None:
    """The function that Scheduler could not invoke, or that failed on every try.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    target = message.get("MessageAttributes", {}).get("TARGET_ARN")
    try:
        arn = (
            target["StringValue"] if target else json.loads(message["Body"])["requestContext"]["functionArn"]
        )
        return arn if ARN.fullmatch(arn) else None
    except NO_SUCH_SHAPE:
        return None


def _lost_register(body: str) -> tuple[str, str] | None:
    """Of an event of S3 that named one object: incoming/TENANT/FILE, URL-encoded."""
    try:
        (record,) = json.loads(body)["requestPayload"]["Records"]
        _incoming, tenant, name = unquote_plus(record["s3"]["object"]["key"]).split("/", 2)
    except NO_SUCH_SHAPE:
        return None
    return (tenant, PurePosixPath(name).name) if STORABLE.fullmatch(f"{tenant}{name}") else None


def _tens(letters: Sequence[Letter]) -> Iterator[Sequence[str]]:
    """The receipts of their messages, as many as a call of SQS takes."""
    receipts = list(dict.fromkeys(letter.receipt for letter in letters))
    return (receipts[start : start + BATCH] for start in range(0, len(receipts), BATCH))


def look(connection: Connection, queue: DeadLetterQueue, *, now: datetime, most: int) -> list[Finding]:
    """What lies on the queue, left there."""
    found, hidden = list[Finding](), list[Letter]()
    try:
        for letters in queue.batches(most, now):
            hidden += letters
            found += _judged(connection, queue, letters)
    finally:
        queue.show(hidden)
    return found


def redrive(
    engine: Engine, queue: DeadLetterQueue, *, who: str, now: datetime, most: int, per_second: int
) -> list[Finding]:
    """Rows that are still QUEUED wait again; letters whose work is done or in other hands go; the rest is left."""
    pace, found, hidden, gone = Throttle(per_second), list[Finding](), list[Letter](), set[str]()
    try:
        for letters in queue.batches(most, now):
            hidden += letters
            pace.take(len(letters))
            with transaction(engine, who) as connection:
                judged = _judged(connection, queue, letters)
                _return(connection, judged, now)
                settled = [each for each in judged if each.fate is not Fate.LEFT]
                _audit(connection, "dlq.redriven", settled, now)
            queue.delete([each.letter for each in settled])
            gone |= {each.letter.receipt for each in settled}
            found += judged
    finally:
        queue.show([each for each in hidden if each.receipt not in gone])
    return found


def purge(
    engine: Engine,
    queue: DeadLetterQueue,
    listed: Collection[str],
    *,
    who: str,
    now: datetime,
    most: int,
    per_second: int,
) -> list[Finding]:
    """The `listed` letters, by their message ids, are deleted, forged ones too; what came since stays.

    Rows stay as they are: catch-up heals those that are still QUEUED. `most` letters are looked at.
    """
    pace, found, hidden, gone = Throttle(per_second), list[Finding](), list[Letter](), set[str]()
    wanted = set(listed)
    try:
        for letters in queue.batches(most, now):
            hidden += letters
            doomed = [each for each in letters if each.message_id in wanted]
            pace.take(len(doomed))
            with transaction(engine, who) as connection:
                judged = _judged(connection, queue, doomed)
                _audit(connection, "dlq.purged", judged, now)
            queue.delete(doomed)
            gone |= {each.receipt for each in doomed}
            found += judged
            wanted -= {each.message_id for each in doomed}
            if not wanted:
                break
    finally:
        queue.show([each for each in hidden if each.receipt not in gone])
    return found


def _judged(connection: Connection, queue: DeadLetterQueue, letters: Sequence[Letter]) -> list[Finding]:
    rows = connection.execute(
        statement("dead_letter_rows"),
        {
            "keys": [bytes.fromhex(each.about.key) if each.about else None for each in letters],
            "times": [each.about.scheduled_at if each.about else None for each in letters],
            "arns": [each.arn for each in letters],
            "sent": [each.sent_at for each in letters],
            "tenants": [each.register[0] if each.register else None for each in letters],
            "files": [each.register[1] if each.register else None for each in letters],
        },
    ).all()
    return [_finding(queue.name, letter, row) for letter, row in zip(letters, rows, strict=True)]


def _finding(queue: str, letter: Letter, row: Any) -> Finding:
    if letter.about:
        state = row.status or "GONE"
        fate = Fate.AGAIN if state == Status.QUEUED else Fate.DROPPED
    elif letter.arn:
        state = "RUN SINCE" if row.done_since else "RUN LOST"
        fate = Fate.DROPPED if row.done_since else Fate.LEFT
    else:
        state, fate = "FORGED", Fate.LEFT
    tenant_id = str(row.tenant_id) if row.tenant_id else None
    return Finding(queue, letter, tenant_id, row.tenant, row.event, state, fate)


def _return(connection: Connection, judged: Sequence[Finding], now: datetime) -> None:
    again = [each.letter.about for each in judged if each.fate is Fate.AGAIN and each.letter.about]
    if again:
        connection.execute(
            statement("return_queued"),
            {
                "keys": [bytes.fromhex(about.key) for about in again],
                "times": [about.scheduled_at for about in again],
                "now": now,
            },
        )


def _audit(connection: Connection, action: str, judged: Sequence[Finding], now: datetime) -> None:
    """Last in its transaction: it takes the audit's lock, and whoever holds that must not wait for rows any more."""
    if judged:
        connection.execute(
            statement("audit_by_hand"),
            {
                "action": action,
                "tenants": [each.tenant_id for each in judged],
                "subjects": [each.subject for each in judged],
                "reasons": [f"{each.queue}: {each.state}, {each.fate}" for each in judged],
                "now": now,
            },
        )
