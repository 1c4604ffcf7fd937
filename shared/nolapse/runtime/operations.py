"""What operators do by hand, as events that say what: the dashboard's buttons and `aws lambda invoke` alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nolapse.delivery.dead_letters import DeadLetterQueue, Finding, UnknownQueue, look, purge, redrive
from nolapse.delivery.holds import Decision, list_holds, resolve
from nolapse.delivery.resend import Wanted, find_unsent, send_again
from nolapse.domain.errors import NolapseError
from nolapse.runtime.bootstrap import Runtime
from nolapse.runtime.observability import logger
from nolapse.runtime.reports import (
    Button,
    Table,
    depths_table,
    fates_table,
    holds_table,
    letters_table,
    unsent_table,
)

# So many a call: a function's time ends, and the next call goes on.
MOST_LETTERS = 1_000
SHOWN_LETTERS = 50
PER_SECOND = 100
MOST_RESENT = 6_000
MOST_DAYS = 3_650
DESCRIPTION = """\
## Nolapse: what operators do by hand

| `action` | beside it | what it does |
|---|---|---|
| `holds.list` | `tenant` | lists what waits for a human |
| `holds.resolve` | `key`, `decision`: SENT, SEND_AGAIN or DROP | closes one case |
| `dlq.list` | `queue` | lists dead letters with the state of what they are about |
| `dlq.redrive` | `queue`, `dry_run` | lets rows that are still queued wait again, drops letters whose work is done |
| `dlq.purge` | `queue`, `letters` | deletes the letters of these ids |
| `resend` | `days`, `tenant`, `event`, `reason`, `dry_run`: true | sends again what did not reach anybody |
"""
# Neither PostgreSQL nor a log takes every character that JSON can write.
Text = Annotated[str, Field(pattern=r"^\P{C}*$")]


class Operation(BaseModel):
    """`who` is whom the audit log names: the dashboard does not say who pressed its buttons."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    who: Text = Field(default="dashboard", min_length=1, max_length=64)


class ListHolds(Operation):
    action: Literal["holds.list"]
    tenant: Text | None = None


class ResolveHold(Operation):
    action: Literal["holds.resolve"]
    key: str = Field(pattern="^[0-9a-f]{64}$")
    decision: Decision


class ListLetters(Operation):
    action: Literal["dlq.list"] = "dlq.list"
    queue: str | None = None
    most: int = Field(default=SHOWN_LETTERS, ge=1)


class Sweep(Operation):
    """`most`: messages of a queue; `per_second`: of their letters, at most."""

    dry_run: bool = False
    most: int = Field(default=MOST_LETTERS, ge=1)
    per_second: int = Field(default=PER_SECOND, ge=1)


class Redrive(Sweep):
    action: Literal["dlq.redrive"] = "dlq.redrive"
    queue: str | None = None


class Purge(Sweep):
    """`letters`: their ids as they were listed; without any, only says what is there."""

    action: Literal["dlq.purge"] = "dlq.purge"
    queue: str
    letters: list[str] = Field(default_factory=list)


class Resend(Operation):
    """`most`: notifications of one call."""

    action: Literal["resend"]
    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    tenant: Text | None = None
    event: Text | None = None
    reason: Text | None = None
    dry_run: bool = True
    most: int = Field(default=MOST_RESENT, ge=1, le=MOST_RESENT)


OPERATION: TypeAdapter[Any] = TypeAdapter(
    Annotated[ListHolds | ResolveHold | ListLetters | Redrive | Purge | Resend, Field(discriminator="action")]
)


def operate(runtime: Runtime, event: Mapping[str, object], *, now: datetime) -> list[Table]:
    """What is refused is said in a table without rows: whoever pressed a button reads it where they pressed it."""
    try:
        return perform(runtime, OPERATION.validate_python(event), now=now)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, each["loc"])) or "action" for each in error.errors()}))
        return [Table("Not understood", (), note=f"wrong or missing: {fields}")]
    except NolapseError as refused:
        return [Table("Refused", (), note=str(refused))]


def perform(runtime: Runtime, asked: Any, *, now: datetime) -> list[Table]:
    """One operation, and what came of it. Raises NolapseError for what is refused."""
    tables = ACTIONS[asked.action](runtime, asked, now)
    logger().info("operations.finished", action=asked.action, who=asked.who)
    return tables


def find_queues(queues: Sequence[DeadLetterQueue], name: str | None) -> list[DeadLetterQueue]:
    """That one, or all. Raises UnknownQueue."""
    found = [queue for queue in queues if name in {None, queue.name}]
    if not found:
        raise UnknownQueue(name or "", [queue.name for queue in queues])
    return found


def look_at(runtime: Runtime, queue: str, most: int, *, now: datetime) -> list[Finding]:
    """What lies on one queue. Raises UnknownQueue."""
    return _look(runtime, find_queues(runtime.dead_letter_queues, queue), most, now)


def late_since(runtime: Runtime, now: datetime) -> datetime:
    return now - timedelta(days=runtime.settings.lookback_days)


def _list_holds(runtime: Runtime, asked: ListHolds, now: datetime) -> list[Table]:
    with runtime.engine.connect() as connection:
        return [holds_table(list_holds(connection, now=now, tenant=asked.tenant), now)]


def _resolve_hold(runtime: Runtime, asked: ResolveHold, now: datetime) -> list[Table]:
    with runtime.engine.begin() as connection:
        status = resolve(
            connection,
            bytes.fromhex(asked.key),
            asked.decision,
            who=asked.who,
            now=now,
            late_since=late_since(runtime, now),
        )
    return [Table("Resolved", ("Notification", "Now"), [(asked.key, status)])]


def _list_letters(runtime: Runtime, asked: ListLetters, now: datetime) -> list[Table]:
    queues = find_queues(runtime.dead_letter_queues, asked.queue)
    depths = {queue.name: queue.depth() for queue in queues}
    found = _look(runtime, [queue for queue in queues if depths[queue.name]], asked.most, now)
    return [depths_table(depths, found, now), letters_table("Letters", found, now)]


def _redrive(runtime: Runtime, asked: Redrive, now: datetime) -> list[Table]:
    queues = find_queues(runtime.dead_letter_queues, asked.queue)
    if asked.dry_run:
        return [fates_table("Would be redriven", _look(runtime, queues, asked.most, now))]
    found = [
        each
        for queue in queues
        for each in redrive(
            runtime.engine, queue, who=asked.who, now=now, most=asked.most, per_second=asked.per_second
        )
    ]
    return [fates_table("Redriven", found)]


def _purge(runtime: Runtime, asked: Purge, now: datetime) -> list[Table]:
    (queue,) = find_queues(runtime.dead_letter_queues, asked.queue)
    if asked.dry_run or not asked.letters:
        return [fates_table("Would be purged", _look(runtime, [queue], asked.most, now))]
    found = purge(
        runtime.engine,
        queue,
        asked.letters,
        who=asked.who,
        now=now,
        most=asked.most,
        per_second=asked.per_second,
    )
    return [fates_table("Purged", found)]


def _look(runtime: Runtime, queues: Sequence[DeadLetterQueue], most: int, now: datetime) -> list[Finding]:
    with runtime.engine.connect() as connection:
        return [each for queue in queues for each in look(connection, queue, now=now, most=most)]


def _resend(runtime: Runtime, asked: Resend, now: datetime) -> list[Table]:
    oldest = late_since(runtime, now)
    since = max(oldest, now - timedelta(days=asked.days)) if asked.days else oldest
    with runtime.engine.connect() as connection:
        unsent = find_unsent(connection, Wanted(since, asked.tenant, asked.event, asked.reason), now=now)
    if asked.dry_run:
        return [_going_on(unsent_table("To be sent again", unsent), asked, len(unsent))]
    now_sent, left = unsent[: asked.most], len(unsent[asked.most :])
    send_again(runtime.engine, now_sent, who=asked.who, now=now, per_second=PER_SECOND)
    table = unsent_table("Sent again", now_sent)
    return [_going_on(replace(table, note=f"{left:,} are left: ask again.") if left else table, asked, left)]


def _going_on(table: Table, asked: Resend, left: int) -> Table:
    """With a button for what is left, below the table: the last row is of all, or the only one."""
    if not left:
        return table
    again = asked.model_dump(mode="json", exclude_none=True) | {"dry_run": False}
    button = Button("Send again", again, f"Send {min(left, asked.most):,} notifications again?")
    return replace(table, buttons=[*([[]] * (len(table.rows) - 1)), [button]])


ACTIONS: Mapping[str, Callable[[Runtime, Any, datetime], list[Table]]] = {
    "holds.list": _list_holds,
    "holds.resolve": _resolve_hold,
    "dlq.list": _list_letters,
    "dlq.redrive": _redrive,
    "dlq.purge": _purge,
    "resend": _resend,
}
