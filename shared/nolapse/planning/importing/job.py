"""The row in `imports` that says an import runs, is done, or failed."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Engine

from nolapse.domain.texts import tidy
from nolapse.planning.importing.mapping import LITERAL_MARK, Choice
from nolapse.planning.importing.survey import Survey
from nolapse.storage.engine import transaction
from nolapse.storage.statements import statement


class Job:
    """`import_id` is given where the job waited for its register: what it rejects lies where the API looks for it."""

    def __init__(self, now: datetime, import_id: UUID | None = None) -> None:
        self.import_id: UUID = import_id or uuid4()
        self._uploaded = import_id is not None
        self._started_at = now
        self._stopwatch = time.monotonic()

    def begin(self, connection: Connection, survey: Survey, tenant_id: UUID | None) -> None:
        parameters = {
            "import_id": self.import_id,
            "tenant_id": tenant_id,
            "source_name": survey.source.name,
            "sha256": survey.source.sha256,
            "mapping": json.dumps(
                {field: _origin(choice) for field, choice in survey.mapping.choices.items()}
            ),
            "date_order": survey.date_order,
            "now": self._started_at,
        }
        connection.execute(statement("import_begin"), parameters)

    def done(self, connection: Connection, counts: dict[str, Any]) -> None:
        self._end(connection, "DONE", counts, failure=None)

    def failed(self, connection: Connection, error: BaseException) -> None:
        self._end(connection, "FAILED", {}, failure=type(error).__name__)

    def _end(self, connection: Connection, status: str, counts: dict[str, Any], failure: str | None) -> None:
        parameters = {
            "import_id": self.import_id,
            "status": status,
            "counts": json.dumps({**counts, "uploaded": True} if self._uploaded else counts),
            "failure": failure,
            "finished_at": self._started_at + timedelta(seconds=time.monotonic() - self._stopwatch),
        }
        connection.execute(statement("import_end"), parameters)


@contextmanager
def recorded(
    engine: Engine,
    survey: Survey,
    *,
    tenant_id: UUID | None,
    now: datetime,
    actor: str,
    import_id: UUID | None = None,
) -> Iterator[Job]:
    """A job that is recorded as failed when the body raises; the body itself says that it is done."""
    job = Job(now, import_id)
    with transaction(engine, actor) as connection:
        job.begin(connection, survey, tenant_id)
    try:
        yield job
    except BaseException as error:
        with transaction(engine, actor) as connection:
            job.failed(connection, error)
        raise


def _origin(choice: Choice) -> list[str] | str:
    """Of columns what jsonb can hold: neither NUL nor a lone surrogate."""
    columns = [tidy(column).encode(errors="replace").decode() for column in choice.columns]
    return columns or LITERAL_MARK + choice.literal
