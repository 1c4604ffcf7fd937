"""What is kept about one person, where, and what erasure leaves of it: personal.toml, read and applied."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.storage.statements import statement


@dataclass(frozen=True, slots=True)
class Table:
    """As personal.toml has it. Without `rows` it holds nothing about a person."""

    name: str
    rows: str | None = None
    erased: Mapping[str, str] = field(default_factory=dict)
    kept: Sequence[str] = ()
    other: Sequence[str] = ()
    removed: bool | str = False
    copy: bool = False

    @property
    def columns(self) -> list[str]:
        return [*self.erased, *self.kept, *self.other]


@cache
def tables() -> Sequence[Table]:
    """In the order in which erasure goes through them."""
    source = (resources.files("nolapse.storage") / "personal.toml").read_text(encoding="utf-8")
    return [Table(name, **declared) for name, declared in tomllib.loads(source).items()]


def person_ids(connection: Connection, clinician_id: UUID) -> Mapping[str, Any] | None:
    """By what rows are told for this person's; None: nobody whom the connection's role sees."""
    row = connection.execute(statement("person_ids"), {"clinician_id": clinician_id}).mappings().one_or_none()
    return dict(row) if row else None


def rows_about(connection: Connection, ids: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By table, every row and every column that is about the person; copies are left out."""
    return {
        table.name: [
            dict(row)
            for row in connection.execute(
                # all of it from personal.toml, nothing from a caller
                text(f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {table.rows}"),  # noqa: S608
                ids,
            ).mappings()
        ]
        for table in tables()
        if table.rows and not table.copy
    }


def remove(connection: Connection, ids: Mapping[str, Any]) -> None:
    for table in tables():
        if table.removed:
            rows = table.rows if table.removed is True else table.removed
            connection.execute(text(f"DELETE FROM {table.name} WHERE {rows}"), ids)  # noqa: S608


def pseudonymise(connection: Connection, ids: Mapping[str, Any]) -> None:
    for table in tables():
        if table.erased:
            changes = ", ".join(f"{column} = {instead}" for column, instead in table.erased.items())
            connection.execute(text(f"UPDATE {table.name} SET {changes} WHERE {table.rows}"), ids)  # noqa: S608
