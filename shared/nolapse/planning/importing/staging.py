"""Records on their way into PostgreSQL: batches of CSV, by COPY."""

import csv
import io
from collections.abc import Sequence
from typing import TextIO

from sqlalchemy import Connection

from nolapse.planning.importing.records import Record
from nolapse.storage.statements import statement


def copy_in(connection: Connection, records: Sequence[Record]) -> None:
    """One COPY per batch: an error between two leaves the connection outside of the COPY protocol."""
    batch = io.StringIO(newline="")
    csv.writer(batch, lineterminator="\n").writerows(records)
    # A lone surrogate, which JSON can spell, has no UTF-8.
    payload = batch.getvalue().encode(errors="replace")
    connection.connection.cursor().execute(statement("import_copy").text, stream=[payload])  # type: ignore[call-arg]


def copy_folded_out(connection: Connection, target: TextIO) -> int:
    """Write the folded rows to `target` and count them."""
    cursor = connection.connection.cursor()
    cursor.execute(statement("import_list_folded").text, stream=target)  # type: ignore[call-arg]
    return cursor.rowcount
