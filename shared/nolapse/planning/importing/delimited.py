"""Rows of CSV, TSV and their kin, as people and spreadsheets write them."""

import csv
from collections.abc import Iterator
from typing import TextIO

from nolapse.planning.importing.rows import Row


class LineTape:
    """Feeds lines to the csv module and keeps those of the record under way."""

    def __init__(self, lines: TextIO) -> None:
        self._lines = lines
        self.number = 0
        self.record: list[str] = []

    def __iter__(self) -> "LineTape":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.number += 1
        self.record.append(line)
        return line


def delimited_rows(text: TextIO, delimiter: str) -> Iterator[Row]:
    tape = LineTape(text)
    reader = csv.reader(tape, delimiter=delimiter)
    columns = _column_names(next((cells for cells in reader if any(cells)), []))
    while True:
        tape.record.clear()
        first_line = tape.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            reader = csv.reader(tape, delimiter=delimiter)
            yield from _line_by_line(tape.record, first_line, columns, delimiter)
            continue
        if len(tape.record) > 1 and not _well_quoted(tape.record, len(columns), delimiter):
            yield from _line_by_line(tape.record, first_line, columns, delimiter)
        elif len(cells) == len(columns):
            yield Row(first_line, dict(zip(columns, cells, strict=True)))
        elif cells:
            yield _fitted(first_line, cells, columns)


def _well_quoted(lines: list[str], width: int, delimiter: str) -> bool:
    """Whether lines are one record because a cell holds line ends, and not because of a stray quote."""
    try:
        records = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return False
    return [len(cells) for cells in records] == [width]


def _line_by_line(lines: list[str], first_line: int, columns: list[str], delimiter: str) -> Iterator[Row]:
    """Lines that one stray quote has swallowed into a single record, each read as a row of its own again."""
    for number, line in enumerate(lines, first_line):
        try:
            cells = next(csv.reader([line], delimiter=delimiter, quoting=csv.QUOTE_NONE), [])
        except csv.Error as error:
            yield Row(number, {}, f"cannot be read: {error}")
        else:
            if cells:
                yield _fitted(number, cells, columns)


def _fitted(number: int, cells: list[str], columns: list[str]) -> Row:
    width = len(columns)
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        cells = cells[:width]
    if len(cells) != width:
        return Row(
            number,
            {},
            f"has {len(cells)} cells where the header has {width}: quote cells that hold the delimiter",
        )
    return Row(number, dict(zip(columns, cells, strict=True)))


def _column_names(header: list[str]) -> list[str]:
    """Every column under a name of its own: `Name`, `Name (2)`, and `column 3` where the header is blank."""
    names: list[str] = []
    for position, title in enumerate((" ".join(cell.split()) for cell in header), start=1):
        name = title or f"column {position}"
        repeats = 1
        while name in names:
            repeats += 1
            name = f"{title} ({repeats})"
        names.append(name)
    return names
