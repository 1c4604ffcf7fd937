"""How far an import is, told to whoever draws the bar."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

# Rows between two reports, and in one COPY.
EVERY = 5000


class Stage(StrEnum):
    SURVEYING = "surveying"
    LOADING = "loading"
    MERGING = "merging"


class Progress(NamedTuple):
    """`total` is unknown while surveying."""

    stage: Stage
    rows: int
    total: int | None


OnProgress = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    pass
