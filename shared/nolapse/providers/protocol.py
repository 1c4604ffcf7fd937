"""What every vendor must answer: one try to send, and whether an earlier try was taken."""

from datetime import datetime
from typing import Protocol

from nolapse.domain.messages import Email
from nolapse.domain.outcomes import Outcome, ProbeResult


class EmailProvider(Protocol):
    """Neither method raises for what a vendor or a network does: that is an outcome.

    Codes of outcomes begin with the provider's name, and never carry an address or a vendor's free text.
    """

    @property
    def name(self) -> str: ...

    def send(self, email: Email) -> Outcome: ...

    def probe(self, key: str, to: str, since: datetime | None) -> ProbeResult:
        """Whether the vendor took a message with this key, sent to `to` at `since` or later.

        NotFound only where the vendor's records would show the message; Unknown where they can't tell.
        """
        ...
