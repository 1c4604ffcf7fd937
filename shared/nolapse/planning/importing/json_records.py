"""Rows of JSON: an array of records, or one record a line."""

import json
from collections.abc import Iterator
from typing import Any, TextIO

import ijson  # type: ignore[import-untyped]

from nolapse.planning.importing.errors import UnreadableSource
from nolapse.planning.importing.rows import Row

NOT_A_RECORD = "is not a JSON object"
TOO_DEEP = "is nested too deeply: give a record's fields side by side"


class Utf8Bytes:
    """Text as the bytes that ijson wants, whatever encoding the file has."""

    def __init__(self, text: TextIO) -> None:
        self._text = text

    def read(self, size: int) -> bytes:
        return self._text.read(size).encode()


def array_rows(text: TextIO, name: str) -> Iterator[Row]:
    number = 0
    try:
        for number, record in enumerate(ijson.items(Utf8Bytes(text), "item"), start=1):
            yield _row(number, record)
    except ijson.JSONError as error:
        raise UnreadableSource(name, f"its JSON breaks off or goes wrong after record {number}") from error


def line_rows(text: TextIO) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        except RecursionError:
            yield Row(number, {}, TOO_DEEP)
            continue
        yield _row(number, record)


def _row(number: int, record: Any) -> Row:
    if not isinstance(record, dict):
        return Row(number, {}, NOT_A_RECORD)
    try:
        return Row(number, dict(_flat(record)))
    except RecursionError:
        return Row(number, {}, TOO_DEEP)


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested objects as dotted columns: {"holder": {"zip": 1}} is the column holder.zip."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(_text(item) for item in value if not isinstance(item, dict))
    return str(value)
