"""From reminder to action: how many reminders were answered, with what, and how soon."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from nolapse.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Conversion:
    """Of a tenant's reminders of one event. `median_time`: from leaving to the first answer; None: nobody answered."""

    tenant: str
    event: str
    sent: int
    renewed: int
    in_progress: int
    not_mine: int
    median_time: timedelta | None

    @property
    def answered(self) -> int:
        return self.renewed + self.in_progress + self.not_mine


def conversion(connection: Connection, *, since: datetime, until: datetime) -> list[Conversion]:
    """Of the reminders about licences whose windows opened in [since, until)."""
    rows = connection.execute(statement("conversion"), {"since": since, "until": until})
    return [Conversion(**row) for row in rows.mappings()]
