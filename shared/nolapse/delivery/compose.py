"""A queued notification becomes its channel's message, rendered before it is claimed: what left is known."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from nolapse.domain.links import Links, NotificationLink
from nolapse.domain.messages import Callback, Email, Rendered, TemplateMessage, TextMessage
from nolapse.domain.zones import pinned_zone
from nolapse.messages.registry import wording
from nolapse.messages.rendering import render
from nolapse.messages.schemas import mask

if TYPE_CHECKING:
    from nolapse.delivery.whatsapp import ApprovedText, WhatsApp

Message = Email | TextMessage | TemplateMessage | Callback


@dataclass(frozen=True, slots=True)
class Sender:
    """What every message says of us: the name that mail comes under, where a date is corrected, and where answered.

    `whatsapp`: None where nothing is sent by it.
    """

    name: str
    portal_url: str
    links: Links
    whatsapp: "WhatsApp | None" = None


@dataclass(frozen=True, slots=True)
class Composed:
    """What one notification says, whichever channel takes it. `event` is what a tenant's own system is told of it."""

    content: Rendered
    clinic_name: str
    portal_url: str
    sender_name: str
    unsubscribe_url: str | None
    event: Mapping[str, object]
    tenant: str
    at: datetime
    approved: "ApprovedText | None" = None

    def body(self, channel: str) -> str:
        """The text by which a provider without keys can tell one message from another."""
        if channel == "SMS":
            return f"{self.clinic_name}: {self.content.subject}. {self.portal_url} STOP to end"
        if channel == "WHATSAPP" and self.approved:
            return self.approved.filled(self._variables())
        return json.dumps(self.event) if channel == "WEBHOOK" else self.content.text

    def body_sha256(self, channel: str) -> bytes:
        return sha256(self.body(channel).encode()).digest()

    def message(self, channel: str, *, to: str, sender: str, key: str, attempt_id: str) -> Message:
        if channel == "SMS":
            return TextMessage(to, sender, key, attempt_id, self.body(channel))
        if channel == "WHATSAPP" and self.approved:
            text = self.body(channel)
            return TemplateMessage(to, sender, key, attempt_id, self.approved.sid, self._variables(), text)
        if channel == "WEBHOOK":
            return Callback(self.tenant, to, key, self.at, {"type": "notification.due", "data": self.event})
        return Email(to, sender, self.sender_name, key, attempt_id, self.content, self.unsubscribe_url)

    def _variables(self) -> Mapping[str, str]:
        return {"1": self.clinic_name, "2": self.content.subject, "3": self.portal_url}


def compose(row: Any, sender: Sender, now: datetime) -> Composed:
    """Raises ValueError for a row that can't be said."""
    content = render(row.template, _facts(row, sender, now), late=row.belated)
    said = wording(row.template, late=row.belated)
    return Composed(
        content,
        row.clinic_name,
        sender.portal_url,
        sender.name,
        sender.links.unsubscribe(_link(row, now)) if row.may_unsubscribe else None,
        _event(row, content),
        str(row.tenant_id),
        row.scheduled_at,
        sender.whatsapp.text_for(said) if sender.whatsapp else None,
    )


def address(row: Any, channel: str) -> str | None:
    places = {"EMAIL": row.email, "SMS": row.phone, "WHATSAPP": row.whatsapp, "WEBHOOK": row.webhook}
    found: str | None = places.get(channel)
    return found


def _event(row: Any, content: Rendered) -> Mapping[str, object]:
    """People by the names that the tenant's own systems have for them, a licence by what its reader would see."""
    return {
        "notification": row.idempotency_key.hex(),
        "event": row.event,
        "occasion": row.occasion,
        "occasion_date": row.occasion_date.isoformat(),
        "late": row.belated,
        "recipient": row.person_id,
        "holder": row.holder_id,
        "license_type": row.license_type,
        "state": row.state,
        "license_last4": row.license_number and mask(row.license_number),
        "subject": content.subject,
    }


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
