"""What arrived for a person, whichever vendor's double took it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ReceivedEmail:
    """`request` is what came over the wire, parsed."""

    to: str
    sender: str
    sender_name: str
    subject: str
    html: str
    text: str
    key: str
    attempt_id: str
    message_id: str
    received_at: datetime
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedText:
    """An SMS or a WhatsApp message. `sender` is a number or a messaging service's id.

    `key` and `attempt_id` are empty where no status callback carried them.
    """

    channel: Literal["sms", "whatsapp"]
    to: str
    sender: str
    body: str
    key: str
    attempt_id: str
    message_id: str
    received_at: datetime
    request: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReceivedNotice:
    """What a channel of operators was shown."""

    title: str
    text: str
    facts: Mapping[str, str]
    link: str | None
    received_at: datetime
    request: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReceivedCallback:
    """An event at a tenant's endpoint, with a signature that held."""

    key: str
    signed_at: datetime
    payload: Mapping[str, Any]
    received_at: datetime
