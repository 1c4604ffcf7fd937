"""Circuit breakers: what one dispatcher finds out about a provider serves all, through PostgreSQL.

CLOSED: used. OPEN: out of reach so often in a row that nobody tries it until `retry_at`. HALF_OPEN: one message tries
it; that closes the circuit, or opens it for twice as long. An open circuit diverts and spends no retry.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from nolapse.domain.outcomes import Accepted, Outcome, Rejected, RetrySafe
from nolapse.storage.statements import statement

FAILURES_TO_OPEN = 5
LONGEST_PAUSE = timedelta(minutes=15)


@dataclass(slots=True)
class Circuits:
    """As they stood when the run began; `trials` are the half-open ones that this run may send one message by."""

    closed_again_at: dict[str, datetime]
    trials: set[str]
    troubled: set[str] = field(default_factory=set)

    @classmethod
    def load(cls, connection: Connection, *, now: datetime, trial_until: datetime) -> "Circuits":
        rows = connection.execute(
            statement("take_circuit_trials"), {"now": now, "trial_until": trial_until}
        ).all()
        return cls(
            closed_again_at={row.provider: row.retry_at for row in rows if row.retry_at and not row.ours},
            trials={row.provider for row in rows if row.ours},
            troubled={row.provider for row in rows},
        )

    def ready_at(self, provider: str, now: datetime) -> datetime:
        """When it may be tried; a trial is for one message."""
        return self.closed_again_at.get(provider, now)

    def use(self, provider: str, now: datetime) -> None:
        if provider in self.trials:
            self.trials.remove(provider)
            self.closed_again_at[provider] = now + timedelta(minutes=1)

    def report(self, connection: Connection, outcomes: Iterable[tuple[str, Outcome]], now: datetime) -> None:
        """Nothing is written while all is well."""
        failures: dict[str, int] = {}
        pauses: dict[str, timedelta] = {}
        well: set[str] = set()
        for provider, outcome in outcomes:
            if isinstance(outcome, Accepted | Rejected):
                well.add(provider)
            elif isinstance(outcome, RetrySafe) and outcome.delay:
                pauses[provider] = max(pauses.get(provider, timedelta()), min(outcome.delay, LONGEST_PAUSE))
            else:
                failures[provider] = failures.get(provider, 0) + 1
        recovered = well & self.troubled - pauses.keys()
        if recovered:
            connection.execute(statement("close_circuits"), {"providers": sorted(recovered), "now": now})
        failing = sorted((failures.keys() | pauses.keys()) - well | pauses.keys())
        if failing:
            connection.execute(
                statement("trip_circuits"),
                {
                    "providers": failing,
                    "failures": [failures.get(provider, 0) for provider in failing],
                    "pauses": [
                        int(pauses.get(provider, timedelta()).total_seconds()) for provider in failing
                    ],
                    "threshold": FAILURES_TO_OPEN,
                    "longest": int(LONGEST_PAUSE.total_seconds()),
                    "now": now,
                },
            )
