"""What staff do about notifications by hand: look at the message, send again, settle what waits for a human."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import AwareDatetime, Field
from sqlalchemy import Row

from nolapse.api.errors import Conflict, NotFound, Unprocessable
from nolapse.api.listing import Listing, Page
from nolapse.api.notifications import NOTIFICATION, Key
from nolapse.api.schemas import Body, Instant, Listed, Model
from nolapse.api.v1 import V1
from nolapse.delivery.compose import Sender, compose
from nolapse.delivery.holds import Decision, HoldRefused, NotHeld, resolve
from nolapse.delivery.resend import Unsent, Wanted, find_unsent, wait_again
from nolapse.domain.links import Links
from nolapse.domain.seals import KeyRing
from nolapse.domain.states import Status
from nolapse.storage.statements import statement

MOST_AT_ONCE = 500
HELD = Listing(
    table=NOTIFICATION,
    key=NOTIFICATION.c.idempotency_key,
    sorts={"scheduled_at": NOTIFICATION.c.scheduled_at},
    standing=NOTIFICATION.c.status == Status.HELD.value,
)


class Preview(Model):
    channel: Literal["EMAIL", "SMS", "WEBHOOK"]
    late: bool = Field(description="as it is worded where it comes late")
    subject: str | None = Field(description="null: the channel has none")
    text: str = Field(description="of WEBHOOK: the event, as JSON")
    html: str | None = Field(description="null: the channel takes text alone")


class Resend(Body):
    since: Instant | None = Field(
        default=None, description="whose window closed then or later; null: since late ones are sent at all"
    )
    event: str | None = Field(default=None, max_length=100)
    reason: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="how the reason begins, for what another try would not mend by itself; null: what it would",
    )
    keys: list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] | None = Field(
        default=None, min_length=1, max_length=MOST_AT_ONCE, description="of these alone"
    )
    dry_run: bool = Field(default=True, description="only say what would be sent again")


class ToSendAgain(Model):
    key: str
    event: str
    status: Status
    reason: str
    scheduled_at: AwareDatetime


class Resent(Model):
    dry_run: bool
    found: int
    waiting: dict[Status, int] = Field(description="what waits again, by its new state; empty in a dry run")
    left: int = Field(description=f"found, and not among these: one call takes {MOST_AT_ONCE}")
    items: list[ToSendAgain]


class Holds(Page):
    sort: Literal["scheduled_at", "-scheduled_at"] = Field(
        default="scheduled_at", description="a minus: the latest first"
    )
    event: str | None = Field(default=None, max_length=100)
    clinician_id: UUID | None = None
    license_id: UUID | None = None


class Hold(Model):
    key: str
    clinician_id: UUID
    license_id: UUID | None
    medication_id: UUID | None
    occasion: str
    event: str
    scheduled_at: AwareDatetime
    since: AwareDatetime
    reason: str | None
    attempts: list[str] = Field(description="provider, outcome and code of each")


class HoldDecision(Body):
    decision: Decision = Field(
        description="SENT: it did leave; SEND_AGAIN: it did not, and is to; DROP: not wanted any more"
    )


class Settled(Model):
    key: str
    status: Status


def add_routes(v1: V1) -> None:
    @v1.route("GET", "/v1/notifications/<key>/preview")
    def preview_notification(
        key: Key, channel: Annotated[Literal["EMAIL", "SMS", "WEBHOOK"], Query()] = "EMAIL"
    ) -> Preview:
        """Read a notification's message as it would be now.

        Its links open nothing: only who gets the message can answer it.
        """
        return _preview(v1, bytes.fromhex(key), channel)

    @v1.route("POST", "/v1/notifications/resend")
    def resend_notifications(body: Resend) -> Resent:
        """Send again what was given up, bounced or held back.

        One or many; windows, quiet hours and spacing hold. What may have left is never among them.
        """
        return _resend(v1, body)

    @v1.route("GET", "/v1/holds")
    def list_holds(asked: Annotated[Holds, Query()]) -> Listed[Hold]:
        """List what waits for a human."""
        # What is held was due once: the months ahead are not looked at.
        due = [NOTIFICATION.c.scheduled_at <= v1.now]
        rows, following = HELD.page(v1.connection, v1.keys, v1.now, asked, asked.sort, where=due)
        attempts = _attempts(v1, [row.idempotency_key for row in rows])
        return Listed[Hold](items=[_hold(row, attempts) for row in rows], next=following)

    @v1.route("POST", "/v1/holds/<key>/decision")
    def decide_hold(key: Key, body: HoldDecision) -> Settled:
        """Settle a notification of which nobody knows whether it left."""
        wanted = bytes.fromhex(key)
        try:
            status = resolve(
                v1.connection,
                wanted,
                body.decision,
                who=v1.principal.actor,
                now=v1.now,
                late_since=v1.limits.late_since,
            )
        except NotHeld as refused:
            if refused.status is None:
                raise NotFound("notification") from None
            raise Conflict("decision", str(refused)) from None
        except HoldRefused as refused:
            raise Conflict("decision", str(refused)) from None
        return Settled(key=key, status=status)


def _preview(v1: V1, key: bytes, channel: Literal["EMAIL", "SMS", "WEBHOOK"]) -> Preview:
    times = v1.connection.execute(
        statement("notification_time"), {"tenant_id": v1.principal.tenant_id, "key": key}
    ).all()
    facts = {"keys": [key] * len(times), "times": [row.scheduled_at for row in times], "now": v1.now}
    rows = v1.connection.execute(statement("preview"), facts).all()
    if not rows:
        raise NotFound("notification")
    v1.shows(rows[0].clinician_id)
    # Keys that nobody has: who looks at a message must not be able to answer it in its reader's place.
    nobodys = KeyRing({"preview": secrets.token_hex(32)}, "preview")
    links = Links(v1.outside.links.base, lambda: nobodys, lasting=timedelta(0))
    try:
        composed = compose(rows[0], Sender("", v1.outside.portal_url, links), v1.now)
    except ValueError:
        raise Unprocessable.of("key", "its message can't be worded from what is on record") from None
    mail = channel == "EMAIL"
    return Preview(
        channel=channel,
        late=rows[0].belated,
        subject=composed.content.subject if mail else None,
        text=composed.body(channel),
        html=composed.content.html if mail else None,
    )


def _resend(v1: V1, body: Resend) -> Resent:
    keys = None if body.keys is None else [bytes.fromhex(key) for key in body.keys]
    since = max(body.since or v1.limits.late_since, v1.limits.late_since)
    wanted = Wanted(since, event=body.event, reason=body.reason, keys=keys)
    found = find_unsent(v1.connection, wanted, now=v1.now)
    chosen = found[:MOST_AT_ONCE]
    waiting = {} if body.dry_run else dict(wait_again(v1.connection, chosen, now=v1.now))
    return Resent(
        dry_run=body.dry_run,
        found=len(found),
        waiting={Status(status): count for status, count in waiting.items()},
        left=len(found) - len(chosen),
        items=[_to_send_again(each) for each in chosen],
    )


def _to_send_again(unsent: Unsent) -> ToSendAgain:
    return ToSendAgain(
        key=unsent.key.hex(),
        event=unsent.event,
        status=Status(unsent.status),
        reason=unsent.reason,
        scheduled_at=unsent.scheduled_at,
    )


def _attempts(v1: V1, keys: Sequence[bytes]) -> dict[bytes, list[str]]:
    rows = v1.connection.execute(statement("attempts_of"), {"keys": [bytes(key) for key in keys]})
    return {bytes(row.idempotency_key): row.attempts for row in rows}


def _hold(row: Row[Any], attempts: dict[bytes, list[str]]) -> Hold:
    key = bytes(row.idempotency_key)
    shown = {**row._mapping, "key": key.hex(), "since": row.updated_at, "attempts": attempts.get(key, [])}  # noqa: SLF001
    return Hold.model_validate(shown)
