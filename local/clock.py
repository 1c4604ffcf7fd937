"""Clocks that can be told what time it is."""

from datetime import UTC, datetime


class VirtualClock:
    """Stands still until it is moved, and never goes back."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def move_to(self, instant: datetime) -> None:
        self._now = max(self._now, instant)


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)
