"""The window feasibility forecast: whether what the schedule holds for the coming days can leave in time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Engine

from nolapse.domain.feasibility import Demand, Misfit, Outlook, outlook
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement

WARNING_DAYS = 7
FORECAST_DAYS = 14


@dataclass(frozen=True, slots=True)
class Forecast:
    """By channel, what waits for the windows that open on the day of `now` and the FORECAST_DAYS after it (UTC)."""

    now: datetime
    channels: Mapping[str, Outlook]

    @property
    def misfits(self) -> list[tuple[str, Misfit]]:
        """(channel, misfit), the first to open first."""
        found = [
            (channel, misfit) for channel, outlook in self.channels.items() for misfit in outlook.misfits
        ]
        return sorted(found, key=lambda pair: pair[1].demand.opens)

    @property
    def counts(self) -> dict[str, int]:
        """For the heartbeat, and as metrics; those without a number of days look WARNING_DAYS ahead."""
        soon = end_of_day(self.now, WARNING_DAYS)
        warned = [misfit for _, misfit in self.misfits if misfit.demand.opens < soon]
        return {
            "windows": sum(len(outlook.demands) for outlook in self.channels.values()),
            "messages": sum(outlook.messages for outlook in self.channels.values()),
            "windows_that_will_not_fit": len(warned),
            "messages_that_will_be_late": sum(misfit.late for misfit in warned),
            f"windows_that_will_not_fit_{FORECAST_DAYS}_days": len(self.misfits),
        }


def forecast(engine: Engine, *, now: datetime, capacity: Mapping[str, int]) -> Forecast:
    """`capacity`: messages a minute by channel. Nothing leaves on a channel that has none."""
    with transaction(engine, "forecast") as connection:
        rows = connection.execute(
            statement("forecast"), {"now": now, "until": end_of_day(now, FORECAST_DAYS)}
        ).all()
    return Forecast(now, outlooks(rows, capacity))


def outlooks(rows: Iterable[Any], capacity: Mapping[str, int]) -> dict[str, Outlook]:
    """`rows` of (channel, opens, closes, messages)."""
    demands: dict[str, list[Demand]] = defaultdict(list)
    for channel, opens, closes, messages in rows:
        demands[channel].append(Demand(opens.astimezone(UTC), closes.astimezone(UTC), messages))
    return {channel: outlook(wanted, capacity.get(channel, 0)) for channel, wanted in demands.items()}


def end_of_day(now: datetime, days: int) -> datetime:
    """When the UTC day `days` after that of `now` is over: a nightly run sees it whole."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=days + 1), time(), UTC)
