"""What every vendor's double is made of: a server, a store of what it took, a clock and faults to come."""

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from local.doubles.server import DoubleServer, Fault, Reply, Request
from local.doubles.store import Taken, TakenStore


class Double(ABC):
    """Runs between start() and stop(), or in a with block; what it took may be read at any time.

    `url` is what a client is given: the server's, and the path where that is part of it.
    """

    _path = ""

    def __init__(
        self,
        store: Path,
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
    ) -> None:
        self._store = TakenStore(store)
        self._clock = clock
        self._server = DoubleServer(self._route, clock, faults)

    @property
    def url(self) -> str:
        return self._server.url + self._path

    def taken(self) -> int:
        return self._store.count()

    def start(self) -> None:
        self._store.open()
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        self._store.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def _route(self, request: Request) -> Reply: ...

    def _keep(self, request: Mapping[str, Any], prefix: str = "", labels: Iterable[str] = ()) -> Taken:
        message_id = prefix + secrets.token_hex(16)
        taken = Taken(message_id, self._clock().astimezone(UTC), json.dumps(request))
        self._store.add(taken, labels)
        return taken


def json_object(request: Request) -> dict[str, Any] | None:
    """None for a body that is none, or says that it is something else."""
    try:
        document = json.loads(request.body)
    except ValueError:
        return None
    is_json = request.headers.get_content_type() == "application/json"
    return document if is_json and isinstance(document, dict) else None
