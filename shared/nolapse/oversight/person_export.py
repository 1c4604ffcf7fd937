"""Everything about one person, to hand to them: a zip of one JSON file and a CSV file a table."""

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from nolapse.domain.texts import harmless_cell
from nolapse.storage.personal import person_ids, rows_about
from nolapse.storage.statements import statement


def export_person(connection: Connection, clinician_id: UUID, *, now: datetime) -> bytes | None:
    """The archive; None where there is nobody. Audited as person.exported, so the transaction must write.

    `person.json` is `{"clinician_id", "exported_at", "tables": {table: [row]}}`: instants by ISO 8601, bytes in
    hexadecimal. TABLE.csv holds the same rows, where there are any.
    """
    ids = person_ids(connection, clinician_id)
    if ids is None:
        return None
    held = rows_about(connection, ids)
    connection.execute(
        statement("audit_by_hand"),
        {
            "tenants": [ids["tenant_id"]],
            "now": now,
            "action": "person.exported",
            "subjects": [f"clinician:{clinician_id}"],
            "reasons": [None],
        },
    )
    return _archive(
        {"clinician_id": clinician_id, "exported_at": now, "tables": held},
        {name: rows for name, rows in held.items() if rows},
    )


def _archive(whole: Mapping[str, Any], tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("person.json", json.dumps(whole, default=_plain, indent=1, ensure_ascii=False))
        for name, rows in tables.items():
            lines = io.StringIO()
            writer = csv.writer(lines)
            writer.writerow(rows[0])
            writer.writerows([_cell(value) for value in row.values()] for row in rows)
            archive.writestr(f"{name}.csv", lines.getvalue())
    return packed.getvalue()


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return harmless_cell(value)
    return json.dumps(value, default=_plain, ensure_ascii=False).strip('"')
