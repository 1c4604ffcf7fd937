"""What an import did, for a person to read and for the job's row in `imports`."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from nolapse.planning.importing.errors import RowsUnaccounted
from nolapse.planning.importing.survey import Survey
from nolapse.planning.importing.zones import ZoneSource


class Reason(NamedTuple):
    field: str
    text: str


@dataclass(slots=True)
class RowCounts:
    """What became of each row on its way in. `undated` is by the text in its place, "" for a blank cell."""

    read: int = 0
    staged: int = 0
    rejected: int = 0
    ended: int = 0
    reject_reasons: Counter[Reason] = field(default_factory=Counter)
    warnings: Counter[Reason] = field(default_factory=Counter)
    undated: Counter[str] = field(default_factory=Counter)
    zones: Counter[ZoneSource] = field(default_factory=Counter)


class Merged(NamedTuple):
    """How many rows of a table an import added, changed and found as they were."""

    new: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Every row is imported (new, changed, unchanged), folded into a later one of its licence, or rejected."""

    import_id: UUID
    survey: Survey
    rows: RowCounts
    folded: int
    licenses: Merged
    people: Merged
    replanned: tuple[UUID, ...]
    rejects: Path

    def __post_init__(self) -> None:
        if self.rows.read != self.imported + self.folded + self.rows.rejected:
            raise RowsUnaccounted(
                read=self.rows.read, imported=self.imported, folded=self.folded, rejected=self.rows.rejected
            )

    @property
    def imported(self) -> int:
        return sum(self.licenses)

    def counts(self) -> dict[str, Any]:
        """The numbers alone, without a value from any row."""
        return {
            "read": self.rows.read,
            "imported": self.imported,
            "folded": self.folded,
            "rejected": self.rows.rejected,
            "licenses": self.licenses._asdict(),
            "people": self.people._asdict(),
            "ended": self.rows.ended,
            "undated": dict(self.rows.undated),
            "zones": dict(self.rows.zones),
            "reject_reasons": _by_text(self.rows.reject_reasons),
            "warnings": _by_text(self.rows.warnings),
        }


def _by_text(reasons: Counter[Reason]) -> dict[str, int]:
    return {f"{reason.field} {reason.text}".strip(): count for reason, count in reasons.most_common()}
