"""Lists: filtered, sorted, page by page. A cursor is a seal that names the last row shown, good for its list alone."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    cast,
    literal,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.selectable import NamedFromClause

from nolapse.api.errors import Unprocessable
from nolapse.api.schemas import Model
from nolapse.domain.seals import BrokenSeal, KeyRing
from nolapse.storage.statements import NAME

PURPOSE = "cursor"
MOST = 200


class Page(Model):
    """What a list is asked for, in the query. A resource's own adds `sort` and filters: columns by name, or its own."""

    limit: int = Field(default=50, ge=1, le=MOST, description="how many items a page has")
    cursor: str | None = Field(default=None, max_length=2_000, description="`next` of the page before")

    @property
    def filters(self) -> dict[str, Any]:
        return self.model_dump(exclude={"limit", "cursor", "sort"})


@dataclass(frozen=True)
class Listing:
    """`table`'s rows of which `standing` is true, sorted by one of `sorts` and then by `key`, which is unique."""

    table: NamedFromClause
    key: ColumnElement[Any]
    sorts: Mapping[str, ColumnElement[Any]]
    standing: ColumnElement[bool] = field(default_factory=true)

    def one(self, key: object) -> Select[Any]:
        return self._named("read", select(self.table).where(self.standing, self.key == key))

    def _named(self, what: str, query: Select[Any]) -> Select[Any]:
        return query.execution_options(**{NAME: f"{what}_{self.table.name}"})

    def page(
        self,
        connection: Connection,
        keys: KeyRing,
        now: datetime,
        asked: Page,
        sort: str,
        *,
        given: Mapping[str, Any] | None = None,
        where: Sequence[ColumnElement[bool]] = (),
    ) -> tuple[list[Row[Any]], str | None]:
        """A page of rows, and the cursor of the next. A minus before `sort` is descending.

        `given`, else the filters asked for: what columns must equal, None meaning anything; a name that is no column is
        what `where` says. Raises Unprocessable for another list's cursor.
        """
        given = asked.filters if given is None else given
        by, descending = self.sorts[sort.removeprefix("-")], sort.startswith("-")
        this_list = hashlib.sha256(json.dumps([sort, given], default=str).encode()).hexdigest()[:16]
        query = select(
            self.table, cast(by, Text).label("sorted_by"), cast(self.key, Text).label("keyed_by")
        ).where(
            self.standing,
            *where,
            *(
                self.table.c[name] == wanted
                for name, wanted in given.items()
                if wanted is not None and name in self.table.c
            ),
        )
        if asked.cursor:
            value, key = _open(keys, asked.cursor, this_list, now)
            last = tuple_(cast(literal(value, Text), by.type), cast(literal(key, Text), self.key.type))
            here = tuple_(by, self.key)
            query = query.where(here < last if descending else here > last)
        order = [by.desc(), self.key.desc()] if descending else [by, self.key]
        rows = list(connection.execute(self._named("list", query.order_by(*order).limit(asked.limit + 1))))
        if len(rows) <= asked.limit:
            return rows, None
        rows.pop()
        end = rows[-1]._mapping  # noqa: SLF001  SQLAlchemy's way to a mapping
        return rows, keys.seal(PURPOSE, {"l": this_list, "v": end["sorted_by"], "k": end["keyed_by"]})


def _open(keys: KeyRing, cursor: str, this_list: str, now: datetime) -> tuple[str, str]:
    try:
        claims = keys.open(PURPOSE, cursor, now=now)
    except BrokenSeal:
        claims = {}
    if claims.get("l") != this_list:
        raise Unprocessable.of(
            "cursor", "is of another list: begin without it, or keep sort and filters as they were"
        )
    return claims["v"], claims["k"]
