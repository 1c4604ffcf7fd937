"""How fast one may send: per sender, channel, tenant and person, counted in PostgreSQL for all dispatchers at once.

What is over a limit is put off to the next slot of time, never dropped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from nolapse.storage.statements import statement

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Limit(NamedTuple):
    """At most `most` messages of `subject` (`kind:whose`) in each slot of `length`."""

    subject: str
    most: int
    length: timedelta

    def slot(self, now: datetime) -> datetime:
        return now - (now - EPOCH) % self.length


@dataclass(frozen=True, slots=True)
class Paced:
    """Held back: no room before `until`, by the limit of this kind that takes longest."""

    kind: str
    until: datetime

    @property
    def reason(self) -> str:
        return f"paced: {self.kind}"


def take_pace(
    connection: Connection, wishes: Mapping[bytes, Iterable[Limit]], now: datetime
) -> dict[bytes, Paced]:
    """The wishes that some limit has no room for; in the order given, the first first.

    What is held back by one limit leaves its room under the others to those behind it, in later batches too: who waits
    for a minute's room would else spend their day in waiting.
    """
    asked = Counter(limit.subject for wanted in wishes.values() for limit in wanted)
    if not asked:
        return {}
    # Of a mailbox that two tenants share, the stricter limit counts: it stands last.
    every = (limit for wanted in wishes.values() for limit in wanted)
    limits = {limit.subject: limit for limit in sorted(every, key=lambda limit: -limit.most)}
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
    held: dict[bytes, Paced] = {}
    for key, wanted in wishes.items():
        over = [limit for limit in wanted if left[limit.subject] <= 0]
        if over:
            last = max(over, key=lambda limit: limit.slot(now) + limit.length)
            held[key] = Paced(last.subject.partition(":")[0], last.slot(now) + last.length)
            continue
        for limit in wanted:
            left[limit.subject] -= 1
    spare = [subject for subject in subjects if left[subject] > 0]
    if spare:
        connection.execute(
            statement("give_back_pace"),
            {
                "subjects": spare,
                "slots": [limits[subject].slot(now) for subject in spare],
                "unused": [left[subject] for subject in spare],
            },
        )
    return held
