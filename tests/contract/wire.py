"""One request to a double, without a vendor's SDK in between."""

import urllib.request
from collections.abc import Mapping
from urllib.error import HTTPError


def ask(url: str, method: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """The status and the body of whatever comes back."""
    request = urllib.request.Request(url, body, dict(headers), method=method)  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
