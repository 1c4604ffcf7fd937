"""What arrived for a person, whichever vendor's double took it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
