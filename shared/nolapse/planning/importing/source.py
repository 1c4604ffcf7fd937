"""A register's file as it lies there: compression, encoding and layout, found by looking inside."""

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from nolapse.planning.importing.errors import UnreadableSource

GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20
SAMPLE_CHARACTERS = 1 << 16
SAMPLE_LINES = 50
DELIMITERS = ",\t;|"


class Layout(StrEnum):
    DELIMITED = "delimited"
    JSON_ARRAY = "JSON array"
    JSON_LINES = "JSON lines"


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is what people call it, whatever the file is called."""

    path: Path
    name: str
    sha256: bytes
    gzipped: bool
    encoding: str
    layout: Layout
    delimiter: str


def inspect(path: Path, name: str | None = None) -> Source:
    """Look through the whole file once; raises UnreadableSource where it is empty or damaged."""
    name = name or path.name
    try:
        with path.open("rb") as file:
            gzipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").digest()
        encoding = _encoding(path, gzipped=gzipped)
        with _decoded(path, gzipped=gzipped, encoding=encoding) as text:
            sample = text.read(SAMPLE_CHARACTERS)
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableSource(name, str(error)) from error
    if not sample.strip():
        raise UnreadableSource(name, "it is empty")
    layout = {"[": Layout.JSON_ARRAY, "{": Layout.JSON_LINES}.get(sample.lstrip()[0], Layout.DELIMITED)
    delimiter = _delimiter(sample) if layout is Layout.DELIMITED else ""
    return Source(path, name, digest, gzipped, encoding, layout, delimiter)


@contextmanager
def text_of(source: Source) -> Iterator[TextIO]:
    """The file's text with its own line ends, as the csv module wants them."""
    with _decoded(source.path, gzipped=source.gzipped, encoding=source.encoding) as text:
        yield text


@contextmanager
def _decoded(path: Path, *, gzipped: bool, encoding: str) -> Iterator[TextIO]:
    with _bytes(path, gzipped=gzipped) as file, io.TextIOWrapper(file, encoding, newline="") as text:
        yield text


def _bytes(path: Path, *, gzipped: bool) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if gzipped else path.open("rb")


def _encoding(path: Path, *, gzipped: bool) -> str:
    """UTF-16 says so itself; UTF-8 proves itself by decoding; what remains is Windows' legacy encoding."""
    with _bytes(path, gzipped=gzipped) as file:
        if file.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
            return "utf-16"
    if _decodes(path, "utf-8", gzipped=gzipped):
        return "utf-8-sig"
    return "cp1252" if _decodes(path, "cp1252", gzipped=gzipped) else "latin-1"


def _decodes(path: Path, encoding: str, *, gzipped: bool) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with _bytes(path, gzipped=gzipped) as file:
        try:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _delimiter(sample: str) -> str:
    """The one that cuts the most rows into as many cells as the header, and into the most cells."""
    lines = sample.splitlines(keepends=True)[:SAMPLE_LINES]
    if len(sample) == SAMPLE_CHARACTERS and len(lines) > 1:
        lines.pop()

    def fit(delimiter: str) -> tuple[int, int]:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
        same = Counter(widths)[widths[0]]
        return (same, widths[0]) if widths[0] > 1 else (0, 1)

    return max(DELIMITERS, key=fit)
