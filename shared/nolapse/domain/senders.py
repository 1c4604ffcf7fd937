"""In whose name messages leave: mailboxes, addresses and numbers, the stack's or a tenant's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from nolapse.domain.feasibility import MAILBOX_PER_MINUTE

BY_NUMBER = frozenset({"twilio-sms", "twilio-whatsapp"})
# Provider -> what one sender of it may send a minute, whoever allows more.
MOST_PER_MINUTE: Mapping[str, int] = {"graph": MAILBOX_PER_MINUTE}


@dataclass(frozen=True, slots=True)
class Sending:
    """What a tenant has of its own. `per_minute`: messages by all channels together, None: as many as every tenant.

    `senders`: by provider, each address with its own limit, None: what a sender of that provider may.
    """

    per_minute: int | None = None
    senders: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)

    def room(self, provider: str, usual: int) -> int | None:
        """Messages a minute by its senders of that provider, `usual` by one that nothing bounds. None: it has none."""
        limits = self.senders.get(provider, {}).values()
        return sum(limit or MOST_PER_MINUTE.get(provider, usual) for limit in limits) if limits else None


NOTHING_OWN = Sending()


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the stack carries, in messages a minute: by channel, and of each tenant that has no limit of its own.

    `providers`: of each channel, the preferred first.
    """

    channels: Mapping[str, int]
    providers: Mapping[str, Sequence[str]]
    per_tenant: int

    def of(self, own: Sending) -> dict[str, int]:
        """What one tenant's limit and own senders let through, by channel.

        By those of the preferred provider: what waits for a sender's next minute goes by no other meanwhile.
        """
        limit = own.per_minute or self.per_tenant
        preferred = {channel: names[0] for channel, names in self.providers.items()}
        return {
            channel: min(limit, own.room(preferred.get(channel, ""), most) or limit)
            for channel, most in self.channels.items()
        }


def in_turn(senders: Sequence[str], key: bytes) -> str:
    """The same for every try of one notification, and all in turn.

    By rendezvous hashing (D. Thaler, C. Ravishankar, 1998): a sender that retires moves its own notifications and no
    others.
    """
    if len(senders) == 1:
        return senders[0]
    return max(senders, key=lambda sender: blake2b(sender.encode(), key=key).digest())
