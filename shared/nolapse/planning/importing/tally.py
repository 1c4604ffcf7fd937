"""What the rows of a register show about its columns, in one pass and bounded memory."""

from collections import Counter
from dataclasses import dataclass, field

from nolapse.domain.dates import DateOrder, Unreadable, possible_orders, read_date
from nolapse.planning.importing.errors import AmbiguousDates
from nolapse.planning.importing.headers import Field, fields_of


@dataclass(slots=True)
class DateEvidence:
    """What the texts of one column say about the order of their numbers."""

    by_orders: dict[frozenset[DateOrder], str] = field(default_factory=dict)
    undecided: str = ""

    def add(self, text: str) -> None:
        orders = possible_orders(text)
        if not orders:
            return
        self.by_orders.setdefault(orders, text)
        if not self.undecided and len(orders) > 1 and isinstance(read_date(text), Unreadable):
            self.undecided = text

    def order(self, column: str) -> DateOrder | None:
        """The one order that fits every date; None where none is needed. Raises AmbiguousDates."""
        if not self.by_orders:
            return None
        fitting = frozenset.intersection(*self.by_orders)
        if len(fitting) == 1:
            return next(iter(fitting))
        if fitting and not self.undecided:
            return None
        possible = fitting or frozenset.union(*self.by_orders)
        examples = [self.undecided] if fitting else list(self.by_orders.values())
        raise AmbiguousDates(column, examples, possible)


class Tally:
    """Columns in order of appearance, how often each is filled, and how those of one field go together."""

    def __init__(self, date_column: str | None = None) -> None:
        self.filled: dict[str, int] = {}
        self.dates: dict[str, DateEvidence] = {}
        self._date_column = date_column
        self._rivals: dict[Field, list[str]] = {}
        self._together: dict[Field, Counter[tuple[str, str]]] = {}
        self._differing: dict[Field, set[tuple[str, str]]] = {}

    def add(self, values: dict[str, str]) -> None:
        filled = self.filled
        for column, text in values.items():
            if column not in filled:
                self._meet(column)
            if text and not text.isspace():
                filled[column] += 1
        for column, evidence in self.dates.items():
            evidence.add(values.get(column, ""))
        for rival_field, columns in self._rivals.items():
            self._compare(
                rival_field, [column for column in columns if values.get(column, "").strip()], values
            )

    def overlap(self, rival_field: Field, one: str, other: str) -> bool:
        """Whether some row fills both columns."""
        return _pair(one, other) in self._together.get(rival_field, ())

    def disagree(self, rival_field: Field, one: str, other: str) -> bool:
        """Whether some row fills both columns, and differently."""
        return _pair(one, other) in self._differing.get(rival_field, ())

    def _meet(self, column: str) -> None:
        self.filled[column] = 0
        given = self._date_column
        if column.casefold() == given.casefold() if given else Field.EXPIRES_ON in fields_of(column):
            self.dates[column] = DateEvidence()
        for rival_field in fields_of(column):
            alike = [known for known in self.filled if rival_field in fields_of(known)]
            if len(alike) > 1:
                self._rivals[rival_field] = alike

    def _compare(self, rival_field: Field, columns: list[str], values: dict[str, str]) -> None:
        for place, one in enumerate(columns):
            for other in columns[place + 1 :]:
                pair = _pair(one, other)
                self._together.setdefault(rival_field, Counter())[pair] += 1
                if values[one].strip() != values[other].strip():
                    self._differing.setdefault(rival_field, set()).add(pair)


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
