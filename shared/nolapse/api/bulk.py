"""Many records at once, as another system has them: all or none, and one planning run for all of them."""

import json
from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeVar
from uuid import UUID

from pydantic import Field
from sqlalchemy.exc import DBAPIError

from nolapse.api.constraints import CONSTRAINTS
from nolapse.api.errors import FieldError, Unprocessable
from nolapse.api.schemas import Body, Edited, Model
from nolapse.api.v1 import V1
from nolapse.planning.edits import Rescheduled, reschedule
from nolapse.storage.engine import said
from nolapse.storage.statements import statement

MOST_ITEMS = 500

Record = TypeVar("Record", bound=Body)


class Bulk(Body, Generic[Record]):
    items: list[Record] = Field(min_length=1, max_length=MOST_ITEMS)


class BulkItem(Model):
    id: UUID
    outcome: Literal["created", "changed", "unchanged"]


class BulkResult(Edited):
    items: list[BulkItem] = Field(description="in the order of the request")


def upsert(
    v1: V1,
    records: Sequence[Record],
    *,
    kind: Literal["clinician", "license"],
    named: Callable[[Record], tuple[str, tuple[object, ...]]],
) -> BulkResult:
    """`named`: the field, and the value, that a record is known by. Raises Unprocessable for one given twice."""
    _refuse_twins([named(each) for each in records])
    tenant_id = v1.principal.tenant_id
    v1.connection.execute(statement("lock_bulk"), {"tenant_id": tenant_id})
    given = {
        "tenant_id": tenant_id,
        "now": v1.now,
        "items": json.dumps([each.model_dump(mode="json") for each in records]),
    }
    try:
        rows = v1.connection.execute(statement(f"upsert_{kind}s"), given).all()
    except DBAPIError as error:
        raise _row_by_row(error, records) from None
    moved = [row for row in rows if row.outcome != "unchanged"]
    people = {person for row in moved for person in (row.person, row.former) if person is not None}
    rescheduled = reschedule(v1.connection, sorted(people), v1.limits) if moved else Rescheduled()
    v1.audit_all([(f"{kind}.{row.outcome}", f"{kind}:{row.id}") for row in moved])
    return BulkResult(
        items=[BulkItem(id=row.id, outcome=row.outcome) for row in rows], rescheduled=rescheduled
    )


def _row_by_row(error: DBAPIError, records: Sequence[Body]) -> Exception:
    """Of whom the database refuses, it says the ids (migration 0030): which rows name them."""
    field, message, _ = CONSTRAINTS.get(said(error, "n"), ("", "", False))
    wrong = [
        FieldError(field=f"items.{number}.{field}", message=message)
        for number, each in enumerate(records)
        if str(getattr(each, field, None)) in said(error, "M")
    ]
    return Unprocessable(wrong) if wrong else error


def _refuse_twins(names: Sequence[tuple[str, tuple[object, ...]]]) -> None:
    seen: set[tuple[object, ...]] = set()
    twins: list[FieldError] = []
    for number, (field, value) in enumerate(names):
        if value in seen:
            twins.append(FieldError(field=f"items.{number}.{field}", message="stands here twice: keep one"))
        seen.add(value)
    if twins:
        raise Unprocessable(twins)
