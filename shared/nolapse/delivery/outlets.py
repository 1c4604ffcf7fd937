"""By what messages leave: the providers of each channel in the order of preference, and in whose name."""

import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nolapse.domain.outcomes import BROKE, Unknown
from nolapse.providers.protocol import Provider

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outlet:
    """`senders`: mailboxes or numbers of who has none of their own; each sender is good for `per_minute` messages."""

    provider: Provider[Any]
    senders: Sequence[str]
    per_minute: int


@dataclass(frozen=True, slots=True)
class Outlets:
    """By channel and by provider's name, the preferred first; an outlet is made, with its vendor's SDK, for the first
    message that leaves by it, and is the same from then on.

    `per_minute` is what a channel may carry, whatever its senders could.
    """

    by_channel: Mapping[str, Mapping[str, Callable[[], Outlet]]]
    per_minute: Mapping[str, int]

    def find(self, channel: str, provider: str) -> Outlet:
        return self.by_channel[channel][provider]()

    def provider(self, name: str) -> Provider[Any] | None:
        """Of whatever channel; None where it is not configured any more."""
        makers = (outlets[name] for outlets in self.by_channel.values() if name in outlets)
        return next((make().provider for make in makers), None)

    def plan(self, channels: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
        """Each channel with its providers; one that is not configured has none."""
        return [(channel, list(self.by_channel.get(channel, ()))) for channel in channels]


Answer = TypeVar("Answer")


def whatever_breaks(provider: str, exchange: Callable[[], Answer]) -> Answer | Unknown:
    """The outcome of an exchange with a provider, or with an endpoint of a tenant's: it must not take others along.

    What an SDK, or a stranger's answer, breaks may have left: its provider is asked about it. Logged is where it broke,
    and none of what an error may quote.
    """
    try:
        return exchange()
    except Exception as error:  # noqa: BLE001  whatever it is, the other messages of its batch have left
        kind = type(error).__name__
        trace = "".join(traceback.format_tb(error.__traceback__))
        log.error("provider.broke", extra={"provider": provider, "kind": kind, "trace": trace})  # noqa: TRY400
        return Unknown(f"{provider}:{BROKE}{kind}")
