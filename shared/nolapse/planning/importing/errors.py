"""Why a register was not imported: each says what to do about it.

ImportRefused
├── UnreadableSource
├── NoRows
├── NoRowToRead
├── UnknownField
├── UnknownColumn
├── FieldNotFound
├── AmbiguousColumns
├── AmbiguousDates
├── TenantNotNamed
├── UnknownTenant
└── RowsUnaccounted
"""

from collections.abc import Iterable
from difflib import get_close_matches

from nolapse.domain.errors import NolapseError


class ImportRefused(NolapseError):
    """Nothing was imported."""


class UnreadableSource(ImportRefused):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read: {reason}")
        self.name = name


class NoRows(ImportRefused):
    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has no row below its header: export it again, with its rows")
        self.name = name


class NoRowToRead(ImportRefused):
    """`problem` is that of the first row, at `number`."""

    def __init__(self, name: str, number: int, problem: str) -> None:
        super().__init__(f"no row of {name} can be read: row {number} {problem or 'says nothing'}")
        self.name, self.number = name, number


class UnknownField(ImportRefused):
    def __init__(self, field: str, fields: Iterable[str]) -> None:
        super().__init__(
            f"there is no field {field!r} to map a column to: the fields are {', '.join(fields)}"
        )
        self.field = field


class UnknownColumn(ImportRefused):
    def __init__(self, field: str, column: str, columns: list[str]) -> None:
        near = get_close_matches(column, columns, n=3) or columns
        super().__init__(f"no column {column!r} to take {field} from: did you mean {_listed(near)}?")
        self.field, self.column = field, column


class FieldNotFound(ImportRefused):
    def __init__(self, field: str, columns: list[str]) -> None:
        super().__init__(
            f"no column looks like {field} among {_listed(columns)}: name it with --map {field}=COLUMN"
        )
        self.field = field


class AmbiguousColumns(ImportRefused):
    def __init__(self, field: str, columns: list[str]) -> None:
        super().__init__(f"{_listed(columns)} may each be {field}: name one with --map {field}=COLUMN")
        self.field, self.columns = field, columns


class AmbiguousDates(ImportRefused):
    """`examples` are dates of the column: some that contradict each other, or one that reads both ways."""

    def __init__(self, column: str, examples: list[str], orders: Iterable[str]) -> None:
        super().__init__(
            f"the rows of column {column!r} do not tell the order of its dates ({', '.join(examples)}): "
            f"say --dates {' or --dates '.join(sorted(orders))}"
        )
        self.column = column


class TenantNotNamed(ImportRefused):
    def __init__(self) -> None:
        super().__init__(
            "no column names the tenant of a row: name the tenant of all rows with --tenant SLUG"
        )


class UnknownTenant(ImportRefused):
    def __init__(self, tenant: str) -> None:
        super().__init__(f"there is no tenant {tenant!r}")
        self.tenant = tenant


class RowsUnaccounted(ImportRefused):
    """Read, imported, folded and rejected rows do not add up; a defect of ours, so nothing is committed."""

    def __init__(self, *, read: int, imported: int, folded: int, rejected: int) -> None:
        super().__init__(
            f"{read} rows were read, but {imported} imported, {folded} folded and {rejected} rejected make "
            f"{imported + folded + rejected}"
        )


def _listed(columns: list[str]) -> str:
    return ", ".join(repr(column) for column in columns)
