"""Events to a tenant's own system, signed by Standard Webhooks.

The receiver dedupes by the webhook's id, which is the same in every try: whatever may have arrived is sent again.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPException
from urllib.request import Request

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from nolapse.domain.endpoints import HTTPS, is_endpoint
from nolapse.domain.messages import Callback, Sought
from nolapse.domain.outcomes import Accepted, NotFound, Outcome, ProbeResult, Rejected, RetrySafe
from nolapse.providers.deadline_transport import (
    Answer,
    ConnectError,
    ForbiddenAddress,
    build_opener,
    exchange,
)
from nolapse.providers.judgement import failure_code
from nolapse.providers.public_address import is_public
from nolapse.providers.retry_after import retry_delay


class TenantWebhook:
    """Tenants' endpoints. `secrets` finds a tenant's whsec_…, the newest first: while a tenant changes from one to
    the next, each signs; where there is none, or it raises ValueError for what is none, nothing is sent until an
    operator has put one there. `timeout` bounds a whole exchange, in seconds. `clock` dates signatures, which
    receivers refuse after some minutes.

    A target that is not https, or that resolves to an address inside of a network, is refused: a tenant's
    setting must not make us knock at our own doors. `only_public=False` lets such targets in.
    """

    name = "tenant-webhook"

    def __init__(
        self,
        secrets: Callable[[str], Sequence[str]],
        timeout: float,
        clock: Callable[[], datetime],
        *,
        only_public: bool = True,
    ) -> None:
        self._secrets = secrets
        self._timeout = timeout
        self._clock = clock
        self._schemes = HTTPS if only_public else HTTPS | {"http"}
        self._opener = build_opener(is_public if only_public else None)

    def send(self, callback: Callback) -> Outcome:
        if not is_endpoint(callback.url, self._schemes):
            return Rejected(f"{self.name}:bad-target")
        try:
            signers = [Webhook(secret.strip()) for secret in self._secrets(callback.tenant)]
        except (ValueError, EmptyWebhookSecretError):
            return RetrySafe(f"{self.name}:bad-secret")
        if not signers:
            return RetrySafe(f"{self.name}:no-secret")
        try:
            answer = exchange(self._opener, self._signed(callback, signers), self._timeout)
        except (ConnectError, OSError, HTTPException) as error:
            return self._failure(error)
        return self._judge(callback.key, answer)

    def probe(self, _sought: Sought) -> ProbeResult:
        """Not found, so that it is sent again: the receiver tells whether it had it."""
        return NotFound()

    def _failure(self, error: Exception) -> Rejected | RetrySafe:
        code = failure_code(self.name, error)
        forbidden = isinstance(error, ConnectError) and isinstance(error.reason, ForbiddenAddress)
        return Rejected(code) if forbidden else RetrySafe(code)

    def _judge(self, key: str, answer: Answer) -> Outcome:
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return Accepted(key)
        code = f"{self.name}:{answer.status}"
        if answer.status == HTTPStatus.GONE:
            # By the specification: the receiver wants no more, and its endpoint is to be disabled.
            return Rejected(code)
        return RetrySafe(code, retry_delay(answer.headers))

    def _signed(self, callback: Callback, signers: Sequence[Webhook]) -> Request:
        at = callback.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        body = json.dumps({**callback.payload, "timestamp": at}, ensure_ascii=False)
        # In UTC, which the library takes whatever it is given for.
        now = self._clock().astimezone(UTC)
        headers = {
            "Content-Type": "application/json",
            "Webhook-Id": callback.key,
            "Webhook-Timestamp": str(int(now.timestamp())),
            "Webhook-Signature": " ".join(signer.sign(callback.key, now, body) for signer in signers),
        }
        return Request(callback.url, body.encode(), headers, method="POST")  # noqa: S310
