"""The first look at a register: what it is, which column holds what, and how its dates are written.

Nothing is imported yet: a survey is what a person is shown before they agree, and what an import works from.
"""

from collections.abc import Mapping as Given
from dataclasses import dataclass
from pathlib import Path

from nolapse.domain.dates import DateOrder
from nolapse.planning.importing.errors import NoRows, NoRowToRead
from nolapse.planning.importing.headers import Field
from nolapse.planning.importing.mapping import LITERAL_MARK, Mapping, choose
from nolapse.planning.importing.progress import EVERY, OnProgress, Progress, Stage, silent
from nolapse.planning.importing.reader import read_rows
from nolapse.planning.importing.source import Source, inspect
from nolapse.planning.importing.tally import DateEvidence, Tally


@dataclass(frozen=True, slots=True)
class Survey:
    """`filled` counts the filled cells of every column, in the order of the file."""

    source: Source
    rows: int
    filled: dict[str, int]
    mapping: Mapping
    date_order: DateOrder | None


def survey(
    path: Path,
    *,
    name: str | None = None,
    given: Given[str, str] | None = None,
    date_order: DateOrder | None = None,
    on_progress: OnProgress = silent,
) -> Survey:
    """Read the whole register once; `name` is its own where the file's is another, `given` is as in mapping.choose.

    Raises ImportRefused.
    """
    given = given or {}
    source = inspect(path, name)
    date_column = given.get(Field.EXPIRES_ON, LITERAL_MARK)
    tally = Tally(None if date_column.startswith(LITERAL_MARK) else date_column)
    count = 0
    unread: tuple[int, str] | None = None
    for count, row in enumerate(read_rows(source), start=1):
        if row.values:
            tally.add(row.values)
        else:
            unread = unread or (row.number, row.problem)
        if count % EVERY == 0:
            on_progress(Progress(Stage.SURVEYING, count, None))
    if unread and not tally.filled:
        raise NoRowToRead(source.name, *unread)
    if not count:
        raise NoRows(source.name)
    mapping = choose(given, tally)
    return Survey(source, count, tally.filled, mapping, date_order or _order(mapping, tally))


def _order(mapping: Mapping, tally: Tally) -> DateOrder | None:
    columns = mapping.columns(Field.EXPIRES_ON)
    joint = DateEvidence()
    for column in columns:
        evidence = tally.dates[column]
        joint.by_orders |= evidence.by_orders
        joint.undecided = joint.undecided or evidence.undecided
    return joint.order(" / ".join(columns))
