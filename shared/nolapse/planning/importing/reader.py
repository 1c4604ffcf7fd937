"""A source's rows, one after another."""

from collections.abc import Iterator

from nolapse.planning.importing.delimited import delimited_rows
from nolapse.planning.importing.json_records import array_rows, line_rows
from nolapse.planning.importing.rows import Row
from nolapse.planning.importing.source import Layout, Source, text_of


def read_rows(source: Source) -> Iterator[Row]:
    """In bounded memory; raises UnreadableSource where the rest of the file is out of reach."""
    with text_of(source) as text:
        match source.layout:
            case Layout.DELIMITED:
                yield from delimited_rows(text, source.delimiter)
            case Layout.JSON_LINES:
                yield from line_rows(text)
            case Layout.JSON_ARRAY:
                yield from array_rows(text, source.name)
