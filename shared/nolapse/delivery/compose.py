"""A queued notification becomes its channel's message, rendered before it is claimed: what left is known."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from nolapse.domain.links import Links, NotificationLink
from nolapse.domain.messages import Email, Rendered, TextMessage
from nolapse.domain.zones import pinned_zone
from nolapse.messages.rendering import render
from nolapse.messages.schemas import mask


@dataclass(frozen=True, slots=True)
class Sender:
    """What every message says of us: the name that mail comes under, where a date is corrected, and where answered."""

    name: str
    portal_url: str
    links: Links


@dataclass(frozen=True, slots=True)
class Composed:
    """What one notification says, whichever channel takes it."""

    content: Rendered
    clinic_name: str
    portal_url: str
    sender_name: str
    unsubscribe_url: str | None

    def body(self, channel: str) -> str:
        """The text by which a provider without keys can tell one message from another."""
        if channel == "SMS":
            return f"{self.clinic_name}: {self.content.subject}. {self.portal_url} STOP to end"
        return self.content.text

    def body_sha256(self, channel: str) -> bytes:
        return sha256(self.body(channel).encode()).digest()

    def message(
        self, channel: str, *, to: str, sender: str, key: str, attempt_id: str
    ) -> Email | TextMessage:
        if channel == "SMS":
            return TextMessage(to, sender, key, attempt_id, self.body(channel))
        return Email(to, sender, self.sender_name, key, attempt_id, self.content, self.unsubscribe_url)


def compose(row: Any, sender: Sender, now: datetime) -> Composed:
    """Raises ValueError for a row that can't be said."""
    content = render(row.template, _facts(row, sender, now), late=row.belated)
    unsubscribe_url = sender.links.unsubscribe(_link(row, now)) if row.may_unsubscribe else None
    return Composed(content, row.clinic_name, sender.portal_url, sender.name, unsubscribe_url)


def address(row: Any, channel: str) -> str | None:
    found: str | None = row.phone if channel == "SMS" else row.email
    return found


def _facts(row: Any, sender: Sender, now: datetime) -> dict[str, object]:
    """All that a template may choose from: its schema takes what it names."""
    today = now.astimezone(pinned_zone(row.zone)).date()
    facts = {
        "clinic_name": row.clinic_name,
        "portal_url": sender.portal_url,
        "full_name": row.full_name,
        "holder_name": row.holder_name,
    }
    if row.license_number is not None:
        facts |= {
            "license_type": row.license_type,
            "state": row.state,
            "license_last4": mask(row.license_number),
            "expires_on": row.occasion_date,
            "days_left": (row.occasion_date - today).days,
            "acknowledge_url": sender.links.acknowledge(_link(row, now)),
        }
    if row.medication is not None:
        clock = pinned_zone(row.medication_zone)
        facts |= {
            "medication": row.medication,
            "due_at": row.due_at.astimezone(clock),
            "take_until": row.take_until.astimezone(clock),
        }
    if row.first_date is not None:
        facts["years"] = row.occasion_date.year - row.first_date.year
    return facts


def _link(row: Any, now: datetime) -> NotificationLink:
    return NotificationLink(row.tenant_id, row.idempotency_key, row.scheduled_at, now)
