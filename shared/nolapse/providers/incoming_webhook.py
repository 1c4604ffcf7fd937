"""A chat's incoming webhook: a URL that is itself the secret, and takes one JSON document at a time.

It keeps no record that could be asked: a message whose answer was lost stays Unknown.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import URLError
from urllib.request import Request

from nolapse.domain.outcomes import Accepted, Outcome, Rejected, RetrySafe, Unknown
from nolapse.providers.deadline_transport import Answer, ConnectError, build_opener, exchange
from nolapse.providers.retry_after import retry_delay

# These judge the webhook, its channel or our pace: the same message passes once an operator has put that right.
_NOT_THE_MESSAGES_FAULT = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.GONE,
    HTTPStatus.TOO_MANY_REQUESTS,
}


class IncomingWebhook:
    """`timeout` bounds a whole exchange, in seconds; `took` says whether an answer is that of the vendor's taking."""

    def __init__(self, name: str, url: str, timeout: float, took: Callable[[Answer], bool]) -> None:
        self._name = name
        # Secret stores and files add line ends.
        self._url = url.strip()
        self._timeout = timeout
        self._took = took
        self._opener = build_opener()

    def post(self, key: str, document: Mapping[str, Any], *, limit: int | None = None) -> Outcome:
        """`limit`: how many bytes the vendor takes."""
        body = json.dumps(document, ensure_ascii=False).encode()
        if limit is not None and len(body) > limit:
            return Rejected(f"{self._name}:too-large")
        request = Request(self._url, body, {"Content-Type": "application/json"}, method="POST")  # noqa: S310
        try:
            answer = exchange(self._opener, request, self._timeout)
        except ConnectError as error:
            return RetrySafe(self._code(error.reason))
        except (OSError, HTTPException) as error:
            return Unknown(self._code(error))
        return Accepted(key) if self._took(answer) else self._refusal(answer)

    def _refusal(self, answer: Answer) -> Rejected | RetrySafe | Unknown:
        code = f"{self._name}:{answer.status}"
        if answer.status in _NOT_THE_MESSAGES_FAULT:
            return RetrySafe(code, retry_delay(answer.headers))
        if HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Rejected(code)
        return Unknown(code)

    def _code(self, error: Exception) -> str:
        """The kind of error alone: its text may quote the URL, which is a secret."""
        cause = error.reason if isinstance(error, URLError) else error
        return f"{self._name}:{type(cause).__name__}"
