"""The window feasibility forecast: whether what the schedule holds for the coming days can leave in time."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from nolapse.domain.feasibility import Demand, Misfit, Outlook, outlook
from nolapse.domain.senders import NOTHING_OWN, Capacity
from nolapse.storage.engine import transaction
from nolapse.storage.senders import read_sending
from nolapse.storage.statements import statement

WARNING_DAYS = 7
FORECAST_DAYS = 14


@dataclass(frozen=True, slots=True)
class Forecast:
    """What waits for the windows that open on the day of `now` and the FORECAST_DAYS after it (UTC).

    `tenants`: each tenant's by channel, at its own pace; `channels`: of all, what those paces let through in time.
    """

    now: datetime
    channels: Mapping[str, Outlook]
    tenants: Mapping[UUID, Mapping[str, Outlook]]

    @property
    def misfits(self) -> list[tuple[str, Misfit]]:
        """(channel, misfit) of the stack's senders together, the first to open first."""
        found = [
            (channel, misfit) for channel, outlook in self.channels.items() for misfit in outlook.misfits
        ]
        return sorted(found, key=lambda pair: pair[1].demand.opens)

    @property
    def own_misfits(self) -> list[tuple[UUID, str, Misfit]]:
        """(tenant, channel, misfit) of what a tenant's own limit or senders will not carry, by tenant."""
        return [
            (tenant, channel, misfit)
            for tenant, channels in sorted(self.tenants.items())
            for channel, look in channels.items()
            for misfit in look.misfits
        ]

    @property
    def counts(self) -> dict[str, int]:
        """For the heartbeat, and as metrics; those without a number of days look WARNING_DAYS ahead."""
        soon = end_of_day(self.now, WARNING_DAYS)
        found = [misfit for _, misfit in self.misfits] + [misfit for _, _, misfit in self.own_misfits]
        warned = [misfit for misfit in found if misfit.demand.opens < soon]
        return {
            "windows": sum(len(outlook.demands) for outlook in self.channels.values()),
            "messages": sum(look.messages for each in self.tenants.values() for look in each.values()),
            "windows_that_will_not_fit": len(warned),
            "messages_that_will_be_late": sum(misfit.late for misfit in warned),
            f"windows_that_will_not_fit_{FORECAST_DAYS}_days": len(found),
        }


def forecast(engine: Engine, *, now: datetime, capacity: Capacity) -> Forecast:
    """Nothing leaves on a channel that has no capacity."""
    with transaction(engine, "forecast") as connection:
        rows = connection.execute(
            statement("forecast"), {"now": now, "until": end_of_day(now, FORECAST_DAYS)}
        ).all()
        own = read_sending(connection)
    waiting: dict[UUID, list[Any]] = defaultdict(list)
    for tenant, *window in rows:
        waiting[tenant].append(window)
    tenants = {
        tenant: outlooks(windows, capacity.of(own.get(tenant, NOTHING_OWN)))
        for tenant, windows in waiting.items()
    }
    whole: Counter[tuple[str, datetime, datetime]] = Counter()
    for looks in tenants.values():
        for channel, look in looks.items():
            late = {misfit.demand: misfit.late for misfit in look.misfits}
            for demand in look.demands:
                whole[channel, demand.opens, demand.closes] += demand.messages - late.get(demand, 0)
    return Forecast(
        now, outlooks(((*window, left) for window, left in whole.items()), capacity.channels), tenants
    )


def outlooks(rows: Iterable[Any], capacity: Mapping[str, int]) -> dict[str, Outlook]:
    """`rows` of (channel, opens, closes, messages)."""
    demands: dict[str, list[Demand]] = defaultdict(list)
    for channel, opens, closes, messages in rows:
        demands[channel].append(Demand(opens.astimezone(UTC), closes.astimezone(UTC), messages))
    return {channel: outlook(wanted, capacity.get(channel, 0)) for channel, wanted in demands.items()}


def end_of_day(now: datetime, days: int) -> datetime:
    """When the UTC day `days` after that of `now` is over: a nightly run sees it whole."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=days + 1), time(), UTC)
