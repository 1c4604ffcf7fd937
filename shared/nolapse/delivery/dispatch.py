"""A batch of queued notifications to their people: claim, render, send concurrently, record.

No connection is held while providers are called: a slow provider must not starve the database.
"""

import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from nolapse.delivery.attempts import record
from nolapse.delivery.queue import QueuedNotification
from nolapse.domain.links import Links, NotificationLink
from nolapse.domain.messages import Email
from nolapse.domain.outcomes import Outcome, Rejected
from nolapse.domain.retries import judge
from nolapse.domain.zones import pinned_zone
from nolapse.messages.rendering import render
from nolapse.messages.schemas import mask
from nolapse.providers.protocol import EmailProvider
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name messages go, how long a provider may take and how long an attempt is ours."""

    email: str
    name: str
    portal_url: str
    links: Links
    timeout: timedelta
    lease: timedelta


def dispatch(
    engine: Engine,
    provider: EmailProvider,
    sender: Sender,
    *,
    batch: Sequence[QueuedNotification],
    now: datetime,
) -> Counter[str]:
    """Send a batch; what is not ours to send (repeated, cancelled, window closed) is left alone."""
    attempts = _begin(engine, provider.name, sender, batch, now)
    if not attempts:
        return Counter(ignored=len(batch))
    with ThreadPoolExecutor(max_workers=len(attempts)) as pool:
        outcomes = list(pool.map(lambda attempt: _send(provider, sender, attempt, now), attempts))
    verdicts = [
        (
            attempt.attempt_id,
            judge(
                outcome,
                attempt_number=attempt.attempt_number,
                late=attempt.late,
                now=now,
                jitter=random.random(),
            ),
        )
        for attempt, outcome in zip(attempts, outcomes, strict=True)
    ]
    with transaction(engine, "dispatch") as connection:
        counts = record(connection, verdicts, now)
    counts["ignored"] = len(batch) - len(attempts)
    return counts


def _begin(
    engine: Engine, provider: str, sender: Sender, batch: Sequence[QueuedNotification], now: datetime
) -> Sequence[Any]:
    # A batch may hold the same message twice; an UPDATE joined to it would hit the row once all the same.
    with transaction(engine, "dispatch") as connection:
        return connection.execute(
            statement("begin_attempts"),
            {
                "keys": [bytes.fromhex(message.key) for message in batch],
                "times": [message.scheduled_at for message in batch],
                "now": now,
                "answer_by": now + sender.timeout,
                "lease_until": now + sender.lease,
                "provider": provider,
            },
        ).all()


def _send(provider: EmailProvider, sender: Sender, attempt: Any, now: datetime) -> Outcome:
    try:
        content = render(attempt.template, _facts(attempt, sender, now), late=attempt.belated)
    except ValueError as error:
        # One row that can't be said must not take its batch along; ops see it as DEFERRED.
        return Rejected(f"unrenderable: {type(error).__name__}")
    return provider.send(
        Email(
            to=attempt.recipient,
            sender=sender.email,
            sender_name=sender.name,
            key=attempt.idempotency_key.hex(),
            attempt_id=str(attempt.attempt_id),
            content=content,
        )
    )


def _facts(attempt: Any, sender: Sender, now: datetime) -> dict[str, object]:
    """All that a template may choose from: its schema takes what it names."""
    today = now.astimezone(pinned_zone(attempt.zone)).date()
    facts = {
        "clinic_name": attempt.clinic_name,
        "portal_url": sender.portal_url,
        "full_name": attempt.full_name,
        "holder_name": attempt.holder_name,
    }
    if attempt.license_number is not None:
        facts |= {
            "license_type": attempt.license_type,
            "state": attempt.state,
            "license_last4": mask(attempt.license_number),
            "expires_on": attempt.occasion_date,
            "days_left": (attempt.occasion_date - today).days,
            "acknowledge_url": sender.links.acknowledge(
                NotificationLink(attempt.tenant_id, attempt.idempotency_key, attempt.scheduled_at, now)
            ),
        }
    if attempt.medication is not None:
        clock = pinned_zone(attempt.medication_zone)
        facts |= {
            "medication": attempt.medication,
            "due_at": attempt.due_at.astimezone(clock),
            "take_until": attempt.take_until.astimezone(clock),
        }
    if attempt.first_date is not None:
        facts["years"] = attempt.occasion_date.year - attempt.first_date.year
    return facts
