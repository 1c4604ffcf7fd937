"""What many runs come to: a table of faults injected against messages lost and doubled."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Self

from rich.table import Table

from tests.simulation.judge import Verdict
from tests.simulation.weather import Kind, Weather


def replay(seed: int) -> str:
    return f"replay: make simulate SEEDS=1 FROM={seed}"


@dataclass(slots=True)
class Tally:
    runs: int = 0
    expected: int = 0
    arrived: int = 0
    returned: int = 0
    went_on: int = 0
    lost: int = 0
    doubled: int = 0
    others: int = 0
    excused: Counter[str] = field(default_factory=Counter)
    with_it: Counter[Kind] = field(default_factory=Counter)
    injected: Counter[Kind] = field(default_factory=Counter)
    lost_with: Counter[Kind] = field(default_factory=Counter)
    doubled_with: Counter[Kind] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return not (self.lost or self.doubled or self.others)

    def add(self, weather: Weather, verdict: Verdict) -> None:
        self.runs += 1
        self.expected += verdict.expected
        self.arrived += verdict.arrived
        self.returned += verdict.returned
        self.went_on += verdict.went_on
        self.lost += verdict.lost
        self.doubled += verdict.doubled
        self.others += verdict.others
        self.excused += verdict.excused
        for kind in +weather.injected:
            self.with_it[kind] += 1
            self.injected[kind] += weather.injected[kind]
            self.lost_with[kind] += verdict.lost
            self.doubled_with[kind] += verdict.doubled

    def __iadd__(self, other: "Tally") -> Self:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        return self

    def table(self) -> Table:
        table = Table("fault", title=f"{self.runs} runs", title_justify="left")
        for heading in ("runs with it", "injected", "lost", "doubled"):
            table.add_column(heading, justify="right")
        for kind in Kind:
            counts = (self.with_it, self.injected, self.lost_with, self.doubled_with)
            table.add_row(kind.value, *(f"{count[kind]:,}" for count in counts))
        return table

    def summary(self) -> Iterator[str]:
        """The last line is the one that counts."""
        yield f"{self.expected:,} due, {self.arrived:,} arrived, old ones among them"
        yield f"{self.returned:,} came back, and {self.went_on:,} of them went on to arrive by another way"
        for why, count in sorted(self.excused.items()):
            yield f"{count:,} not sent and accounted for: {why}"
        if self.others:
            yield f"{self.others:,} other rules broken"
        yield f"lost {self.lost} doubled {self.doubled}"
