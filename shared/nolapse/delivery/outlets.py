"""By what messages leave: the providers of each channel in the order of preference, and in whose name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nolapse.providers.protocol import Provider


@dataclass(frozen=True, slots=True)
class Outlet:
    """`senders`: mailboxes or numbers of who has none of their own; each sender is good for `per_minute` messages."""

    provider: Provider[Any]
    senders: Sequence[str]
    per_minute: int


@dataclass(frozen=True, slots=True)
class Outlets:
    """By channel. `per_minute` is what a channel may carry, whatever its senders could."""

    by_channel: Mapping[str, Sequence[Outlet]]
    per_minute: Mapping[str, int]

    def find(self, channel: str, provider: str) -> Outlet:
        return next(each for each in self.by_channel[channel] if each.provider.name == provider)

    def provider(self, name: str) -> Provider[Any] | None:
        """Of whatever channel; None where it is not configured any more."""
        every = (outlet.provider for outlets in self.by_channel.values() for outlet in outlets)
        return next((provider for provider in every if provider.name == name), None)

    def plan(self, channels: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
        """Each channel with its providers; one that is not configured has none."""
        return [
            (channel, [outlet.provider.name for outlet in self.by_channel.get(channel, ())])
            for channel in channels
        ]
