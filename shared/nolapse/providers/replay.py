"""How long a signature is good for."""

from datetime import datetime, timedelta

from nolapse.domain.errors import OutsideReplayWindow

# Longer than a request travels and clocks differ, and short enough that who recorded one has little use of it;
# within it, a repetition is known by its event's id.
REPLAY_WINDOW = timedelta(minutes=5)


def refuse_replay(vendor: str, signed_at: datetime, now: datetime, window: timedelta) -> None:
    """Raises OutsideReplayWindow. Ahead of its time is as wrong as behind it."""
    if abs(now - signed_at) > window:
        raise OutsideReplayWindow(vendor, (now - signed_at).total_seconds())
