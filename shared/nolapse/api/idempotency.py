"""Idempotency-Key on POST: the first answer is kept with the work that it tells of, in one transaction.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from nolapse.api.errors import Unprocessable
from nolapse.api.identity import Principal
from nolapse.storage.statements import statement

HEADER = "idempotency-key"
KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any


class Repeatable:
    """One request under its key. A request that fails leaves no key behind: it may be mended and sent again."""

    def __init__(self, connection: Connection, principal: Principal, key: str, request: str) -> None:
        """`request` is what must be the same: method, path and body. Raises Unprocessable for a key that is none."""
        if not KEY.fullmatch(key):
            raise Unprocessable.of("Idempotency-Key", "1 to 255 visible ASCII characters, such as a UUID")
        self._connection = connection
        self._id = {"tenant_id": principal.tenant_id, "principal": principal.subject, "key": key}
        self._digest = hashlib.sha256(request.encode()).digest()

    def begin(self, now: datetime) -> Answer | None:
        """The answer that was given before, or None: then the work is ours to do. Waits for one that does it just now.

        Raises Unprocessable where the key came with another request.
        """
        first = self._connection.execute(
            statement("begin_idempotent"), {**self._id, "request_sha256": self._digest, "now": now}
        ).first()
        if first:
            return None
        kept = self._connection.execute(statement("kept_answer"), self._id).one()
        if bytes(kept.request_sha256) != self._digest:
            raise Unprocessable.of("Idempotency-Key", "was used for another request: take a new one")
        return Answer(kept.status, kept.headers, kept.body)

    def finish(self, answer: Answer) -> None:
        self._connection.execute(
            statement("keep_answer"),
            {
                **self._id,
                "status": answer.status,
                "headers": json.dumps(dict(answer.headers)),
                "body": json.dumps(answer.body),
            },
        )
