"""A tenant's own endpoint on loopback: verifies Standard Webhooks' signatures and dedupes by their id.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import hmac
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from standardwebhooks import Webhook

from local.doubles.double import Double
from local.doubles.received import ReceivedCallback
from local.doubles.server import Fault, Reply, Request
from local.doubles.store import Taken

_TOLERANCE = timedelta(minutes=5)


class TenantEndpointDouble(Double):
    """messages() has each event once, tries() all that came with a signature that held. Any of `keys` will do.

    The library's own verification reads the machine's clock, this one the double's.
    """

    _path = "/nolapse"

    def __init__(
        self,
        store: Path,
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
        *,
        keys: Sequence[str],
    ) -> None:
        super().__init__(store, clock, faults)
        self._verifiers = [Webhook(key) for key in keys]

    def messages(self) -> list[ReceivedCallback]:
        return list({received.key: received for received in reversed(self.tries())}.values())[::-1]

    def tries(self) -> list[ReceivedCallback]:
        return [_callback(taken) for taken in self._store.all()]

    def _route(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.path != self._path:
            return Reply(HTTPStatus.NOT_FOUND)
        key, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        signatures = request.headers.get("webhook-signature", "").split()
        if not key or not stamp.isdecimal():
            return Reply(HTTPStatus.BAD_REQUEST)
        signed_at = datetime.fromtimestamp(int(stamp), UTC)
        if not self._holds(key, signed_at, request.body.decode(), signatures):
            return Reply(HTTPStatus.UNAUTHORIZED)
        document = {"key": key, "signed_at": signed_at.isoformat(), "payload": json.loads(request.body)}
        self._keep(document)
        return Reply(HTTPStatus.NO_CONTENT)

    def _holds(self, key: str, signed_at: datetime, body: str, signatures: Sequence[str]) -> bool:
        if abs(self._clock() - signed_at) > _TOLERANCE:
            return False
        good = [verifier.sign(key, signed_at, body) for verifier in self._verifiers]
        return any(hmac.compare_digest(one, other) for one in good for other in signatures)


def _callback(taken: Taken) -> ReceivedCallback:
    document = json.loads(taken.request)
    return ReceivedCallback(
        key=document["key"],
        signed_at=datetime.fromisoformat(document["signed_at"]),
        payload=document["payload"],
        received_at=taken.received_at,
    )
