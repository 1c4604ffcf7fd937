"""How long each table keeps its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

# The schedule must outlive what planning and receipts may still ask it.
LEAST_DAYS = {"notification_schedule": 93, "notification_outbox": 93, "acknowledgements": 93}
TABLES = (
    "notification_schedule",
    "notification_outbox",
    "acknowledgements",
    "audit_log",
    "ops_notices",
    "idempotent_request",
    "imports",
    "scheduler_heartbeat",
    "sending_pace",
    "api_pace",
)


@dataclass(frozen=True, slots=True)
class Retention:
    """Days by table."""

    days: Mapping[str, int]

    @classmethod
    def read(cls, text: str) -> "Retention":
        """`table=days` with commas between them, each of TABLES once. Raises ValueError, which says what to change."""
        pairs = [pair.partition("=") for pair in text.split(",")]
        names = [name.strip() for name, _, _ in pairs]
        wrong = [name for name, _, days in pairs if not days.strip().isdecimal()]
        wrong += [
            f"{name} (at least {LEAST_DAYS.get(name.strip(), 1)})"
            for name, _, days in pairs
            if days.strip().isdecimal() and int(days) < LEAST_DAYS.get(name.strip(), 1)
        ]
        missing, unknown = set(TABLES) - set(names), set(names) - set(TABLES)
        if wrong or missing or unknown or len(names) > len(set(names)):
            raise ValueError(
                f"days by table, each once: set {sorted(missing) or 'none'}, drop {sorted(unknown) or 'none'},"
                f" mend {wrong or 'none'}"
            )
        return cls({name.strip(): int(days) for name, _, days in pairs})

    def until(self, now: datetime) -> dict[str, datetime]:
        """By table: what is older is forgotten."""
        return {table: now - timedelta(days=days) for table, days in self.days.items()}
