"""When a message may leave: local times as instants, and the stretch between two of them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from nolapse.domain.zones import pinned_zone


@dataclass(frozen=True, slots=True)
class Window:
    """The instants [start, end), in UTC, in which a message may leave."""

    start: datetime
    end: datetime

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end


def to_utc(local: datetime, zone: str) -> datetime:
    """The instant of a naive local time: in a gap by the offset before it, in an overlap the first."""
    return local.replace(tzinfo=pinned_zone(zone), fold=0).astimezone(UTC)
