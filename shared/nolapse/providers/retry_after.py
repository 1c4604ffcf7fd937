"""How long a vendor that answered 429 asks to be left alone."""

import re
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d{1,6}", re.ASCII)
_EPOCH = re.compile(r"\d{10}", re.ASCII)
# Who asks for more is not meant for a message that has a day to reach somebody.
_LONGEST = timedelta(days=7)


def server_time(headers: Message) -> datetime | None:
    return _http_date(headers.get("Date"))


def retry_delay(headers: Message) -> timedelta | None:
    """Retry-After (RFC 9110 §10.2.3: seconds or a date), else X-RateLimit-Reset (seconds since 1970).

    Instants are compared with the same answer's Date, so a clock that differs from the vendor's does no harm.
    """
    after = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(after):
        return min(timedelta(seconds=int(after)), _LONGEST)
    until = _http_date(after) or _epoch(headers.get("X-RateLimit-Reset", "").strip())
    now = server_time(headers)
    if until is None or now is None:
        return None
    return min(max(until - now, timedelta(0)), _LONGEST)


def _http_date(value: str | None) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value or "")
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _epoch(value: str) -> datetime | None:
    return datetime.fromtimestamp(int(value), UTC) if _EPOCH.fullmatch(value) else None
