"""The SDK's HTTP client over our transport.

The SDK's own has no timeout, takes proxies and .netrc from the environment, and logs numbers and addresses.
"""

import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import OpenerDirector, Request

from twilio.http import HttpClient
from twilio.http.response import Response

from nolapse.providers.deadline_transport import Answer, Deadline, exchange


class TwilioExchange(HttpClient):  # type: ignore[misc]
    """All requests of one exchange, so that one deadline bounds them; `answer` is what the last one got, if any.

    The SDK builds URLs of Twilio's own host, whatever the page it follows says: only path and query are kept.
    """

    answer: Answer

    def __init__(self, opener: OpenerDirector, url: str, timeout: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=False, timeout=timeout)
        self._opener = opener
        self._url = url.rstrip("/")
        self._deadline = Deadline(timeout)

    def request(  # noqa: PLR0917  the SDK's signature
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002
        allow_redirects: bool = False,  # noqa: ARG002
    ) -> Response:
        request = Request(  # noqa: S310
            self._target(url, params),
            urlencode(data).encode() if data else None,
            {**(headers or {}), "Authorization": _basic(*auth)} if auth else dict(headers or {}),
            method=method,
        )
        self.answer = exchange(self._opener, request, self._deadline.left())
        return Response(self.answer.status, self.answer.body.decode(errors="replace"), self.answer.headers)

    def _target(self, url: str, params: Mapping[str, Any] | None) -> str:
        parts = urlsplit(url)
        query = "&".join(part for part in (parts.query, urlencode(params or {})) if part)
        return f"{self._url}{parts.path}?{query}" if query else self._url + parts.path


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
