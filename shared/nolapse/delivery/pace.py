"""How fast one may send: per sender, per channel and per person, counted in PostgreSQL for all dispatchers at once.

What is over a limit is put off to the next slot of time, never dropped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from nolapse.storage.statements import statement

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `most` messages of `subject` in each slot of `length`."""

    subject: str
    most: int
    length: timedelta

    def slot(self, now: datetime) -> datetime:
        return now - (now - EPOCH) % self.length


def take_pace(
    connection: Connection, wishes: Mapping[bytes, Iterable[Limit]], now: datetime
) -> dict[bytes, datetime]:
    """The wishes that some limit has no room for, each with when to ask again; in the order given, the first first."""
    limits = {limit.subject: limit for wanted in wishes.values() for limit in wanted}
    if not limits:
        return {}
    asked = Counter(limit.subject for wanted in wishes.values() for limit in wanted)
    subjects = sorted(limits)
    rows = connection.execute(
        statement("take_pace"),
        {
            "subjects": subjects,
            "slots": [limits[subject].slot(now) for subject in subjects],
            "wanted": [asked[subject] for subject in subjects],
            "mosts": [limits[subject].most for subject in subjects],
        },
    )
    left = Counter({row.subject: row.granted for row in rows})
    denied: dict[bytes, datetime] = {}
    for key, wanted in wishes.items():
        over = [limit for limit in wanted if left[limit.subject] <= 0]
        if over:
            denied[key] = max(limit.slot(now) + limit.length for limit in over)
        for limit in wanted:
            left[limit.subject] -= 1
    return denied
