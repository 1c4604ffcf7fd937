"""What a person may answer to a reminder, and what follows from it."""

from datetime import timedelta
from enum import StrEnum

# How long "in progress" keeps a supervisor from being told: boards take weeks, a licence that lapses takes none.
PATIENCE = timedelta(days=14)


class Answer(StrEnum):
    RENEWED = "RENEWED"
    IN_PROGRESS = "IN_PROGRESS"
    NOT_MINE = "NOT_MINE"

    @property
    def reason(self) -> str:
        """Why what it makes needless is not said."""
        return f"acknowledged: {self.value.lower().replace('_', ' ')}"
