"""A row of a register, whatever its file's layout."""

from typing import NamedTuple


class Row(NamedTuple):
    """`number` is where a person finds the row: its first line, or in a JSON array its place, counted from 1.

    `problem` says why it has no values.
    """

    number: int
    values: dict[str, str]
    problem: str = ""
