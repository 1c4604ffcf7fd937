"""The file that says what became of every row that was not imported as it stands."""

import csv
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TextIO

from nolapse.domain.texts import harmless_cell
from nolapse.planning.importing.records import Problem

COLUMNS = ("row_number", "outcome", "field", "value", "reason")
REJECTED = "rejected"
WARNING = "imported, but"


class RejectsFile(AbstractContextManager["RejectsFile"]):
    def __init__(self, path: Path) -> None:
        self.path = path
        # A lone surrogate, which JSON can spell, has no UTF-8.
        self.text: TextIO = path.open("w", encoding="utf-8", errors="replace", newline="")
        self._writer = csv.writer(self.text)
        self._writer.writerow(COLUMNS)

    def __exit__(self, *_error: object) -> None:
        self.text.close()

    def write(self, row_number: int, outcome: str, problems: list[Problem]) -> None:
        for field, value, reason in problems:
            self._writer.writerow((row_number, outcome, field, harmless_cell(value), reason))
