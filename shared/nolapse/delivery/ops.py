"""Operators told, once per run and tenant, of what was given up and of what they are told instead of people.

What to tell is read from the audit log, which says everything once and in order; how far it was read is committed
with the notices themselves, so each transition is counted in one notice and no other. Chats keep nothing that could be
asked: a notice whose answer was lost is sent again, under the same id. Operators rather hear twice than never.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Engine, text

from nolapse.delivery.outlets import whatever_breaks
from nolapse.delivery.throttle import Throttle
from nolapse.domain.messages import Notice
from nolapse.domain.outcomes import Accepted, Outcome, Rejected
from nolapse.messages.wording import counted
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

if TYPE_CHECKING:
    from nolapse.providers.protocol import Provider

# Longer than a run of catch-up may last.
LEASE = timedelta(minutes=10)
# By catch-up, and so for a day.
MOST_TRIES = 24
MOST_A_RUN = 50
# https://docs.slack.dev/apis/web-api/rate-limits: one a second; Teams takes four.
PER_SECOND = 1
MOST_FACTS = 20
MOST_KEYS = 10

HEADLINES = {"GIVEN_UP": "given up", "INSTEAD": "told here instead of to people"}
WHAT_TO_DO = {
    "GIVEN_UP": "Put the cause right, then: nolapse resend --tenant {tenant}.",
    "INSTEAD": "A flag says ops only. To let them go: change it, then nolapse resend --tenant {tenant} --reason flag.",
}

CURSOR = text("SELECT until_seq FROM ops_cursor FOR UPDATE")
END_OF_LOG = text("SELECT coalesce(max(seq), 0) FROM audit_log")
MOVE_CURSOR = text("UPDATE ops_cursor SET until_seq = :until_seq WHERE until_seq <> :until_seq")


@dataclass(frozen=True, slots=True)
class Told:
    """What one notice counts, of one tenant: (event, reason, count, keys) each, most first."""

    tenant_id: UUID
    tenant: str
    kind: str
    counts: Sequence[Mapping[str, Any]]

    @property
    def total(self) -> int:
        return sum(each["count"] for each in self.counts)


def gather(engine: Engine, providers: Sequence[str], *, now: datetime) -> list[Told]:
    """What happened since the last run, with a notice made for each provider; each is gathered once, ever."""
    with transaction(engine, "catch_up") as connection:
        after = connection.scalar(CURSOR)
        until = connection.scalar(END_OF_LOG)
        rows = connection.execute(statement("ops_news"), {"after": after, "until": until}).all()
        news: dict[tuple[UUID, str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            counts = {"event": row.event, "reason": row.reason, "count": row.count, "keys": row.keys}
            news[row.tenant_id, row.tenant, row.kind].append(counts)
        told = [Told(*whose, counts) for whose, counts in news.items()]
        notices = [(each, provider) for each in told for provider in providers]
        if notices:
            connection.execute(
                statement("open_notices"),
                {
                    "tenants": [each.tenant_id for each, _ in notices],
                    "kinds": [each.kind for each, _ in notices],
                    "providers": [provider for _, provider in notices],
                    "counts": [json.dumps(each.counts) for each, _ in notices],
                    "until_seq": until,
                    "now": now,
                },
            )
        connection.execute(MOVE_CURSOR, {"until_seq": until})
    return told


def tell(engine: Engine, providers: "Sequence[Provider[Notice]]", *, now: datetime) -> dict[str, int]:
    """Send what is open. A provider that does not take one, or breaks, gets no more in this run: the next goes on with
    it.
    """
    counts = {"ops_told": 0, "ops_failed": 0}
    left = {provider.name: provider for provider in providers}
    pace = {name: Throttle(PER_SECOND) for name in left}
    for _ in range(MOST_A_RUN):
        claimed = _claim(engine, list(left), now) if left else None
        if claimed is None:
            break
        pace[claimed.provider].take(1)
        outcome = whatever_breaks(claimed.provider, partial(left[claimed.provider].send, _notice(claimed)))
        _settle(engine, claimed, outcome)
        if isinstance(outcome, Accepted):
            counts["ops_told"] += 1
            continue
        counts["ops_failed"] += 1
        if not isinstance(outcome, Rejected):
            del left[claimed.provider]
    return counts


def _claim(engine: Engine, providers: Sequence[str], now: datetime) -> Any:
    with transaction(engine, "catch_up") as connection:
        return connection.execute(
            statement("claim_notice"), {"providers": providers, "now": now, "lease_until": now + LEASE}
        ).one_or_none()


def _settle(engine: Engine, claimed: Any, outcome: Outcome) -> None:
    settled = {Accepted: "ACCEPTED", Rejected: "REJECTED"}.get(type(outcome))
    if settled is None and claimed.attempts >= MOST_TRIES:
        settled = "GIVEN_UP"
    code = None if isinstance(outcome, Accepted) else outcome.code
    with transaction(engine, "catch_up") as connection:
        connection.execute(
            statement("settle_notice"), {"notice_id": claimed.notice_id, "outcome": settled, "code": code}
        )


def _notice(row: Any) -> Notice:
    """Ids, events, codes and counts."""
    total = sum(each["count"] for each in row.counts)
    facts = {f"{each['event']}: {each['reason']}": f"{each['count']:,}" for each in row.counts[:MOST_FACTS]}
    if len(row.counts) > MOST_FACTS:
        facts["others"] = f"{sum(each['count'] for each in row.counts[MOST_FACTS:]):,}"
    keys = [key for each in row.counts for key in each["keys"]][:MOST_KEYS]
    more = f" and {total - len(keys):,} more" if total > len(keys) else ""
    return Notice(
        key=row.notice_id.hex,
        title=f"{row.tenant}: {counted(total, 'reminder')} {HEADLINES[row.kind]}",
        text=f"{WHAT_TO_DO[row.kind].format(tenant=row.tenant)} Notifications: {', '.join(keys)}{more}."
        f" Should this come twice, it is one: {row.notice_id}.",
        facts=facts,
    )
