"""A chat's incoming webhook: a URL that is itself the secret, and takes one JSON document at a time.

It keeps no record that could be asked: a message whose answer was lost stays Unknown.
"""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.request import Request

from nolapse.domain.outcomes import Accepted, Outcome, Rejected, RetrySafe, Unknown
from nolapse.providers.deadline_transport import Answer, ConnectError, build_opener, exchange
from nolapse.providers.judgement import failure, refusal


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
        except (ConnectError, OSError, HTTPException) as error:
            return failure(self._name, error)
        return Accepted(key) if self._took(answer) else self._refusal(answer)

    def _refusal(self, answer: Answer) -> Rejected | RetrySafe | Unknown:
        if answer.status == HTTPStatus.GONE:
            # A channel in the archive or a workflow removed: not the message's fault, an operator's to mend.
            return RetrySafe(f"{self._name}:{answer.status}")
        return refusal(self._name, answer.status, answer.headers)
