"""What every vendor must answer: one try to send, and whether an earlier try was taken."""

from typing import Protocol, TypeVar

from nolapse.domain.messages import Email, Sought
from nolapse.domain.outcomes import Outcome, ProbeResult

Message_contra = TypeVar("Message_contra", contravariant=True)


class Provider(Protocol[Message_contra]):
    """Neither method raises for what a vendor or a network does: that is an outcome.

    Codes of outcomes begin with the provider's name, and never carry an address or a vendor's free text.
    """

    @property
    def name(self) -> str: ...

    def send(self, message: Message_contra, /) -> Outcome: ...

    def probe(self, sought: Sought, /) -> ProbeResult:
        """Whether the vendor took this message.

        NotFound only where the vendor's records would show it; Unknown where they can't tell.
        """
        ...


EmailProvider = Provider[Email]
