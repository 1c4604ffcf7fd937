"""Where a tenant's own system may be told."""

from collections.abc import Collection
from urllib.parse import urlsplit

HTTPS = frozenset({"https"})
FORM = "https://HOST/PATH in ASCII, its port from 1 to 65535, without a user or a password in it"


def is_endpoint(url: str, schemes: Collection[str] = HTTPS) -> bool:
    """Whether a request could be made to it: a host, a port that there is, in printable ASCII and without a user or a
    password in it.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and parts.username is None and parts.scheme in schemes
    except ValueError:
        return False
