"""Mailgun on loopback: POST /v3/DOMAIN/messages and POST /v1/analytics/logs in the vendor's wire format.

As at the vendor, nothing is idempotent: the same message sent twice arrives twice.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local.doubles.double import Double, json_object
from local.doubles.forms import FormError, multipart
from local.doubles.mailgun_mail import bare_address, display_name, errors_in, values
from local.doubles.received import ReceivedEmail
from local.doubles.server import Fault, Reply, Request
from local.doubles.store import Taken

_LOG_RETENTION = timedelta(days=1)
_SEARCH_FIELDS = {
    *("start", "end", "duration", "events", "metric_events", "filter"),
    *("include_subaccounts", "include_totals", "pagination"),
}
_ATTRIBUTES = {"domain", "tag", "recipient", "subject", "event"}
_MAX_LIMIT = 100


class SearchError(ValueError):
    """The search is not one that the vendor would take."""


class MailgunDouble(Double):
    """Of an account with one sending domain."""

    def __init__(
        self,
        store: Path,
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
        *,
        domain: str,
        api_key: str,
    ) -> None:
        super().__init__(store, clock, faults)
        self._domain = domain
        self._authorization = "Basic " + b64encode(f"api:{api_key}".encode()).decode()

    def messages(self, after: int = 0) -> list[ReceivedEmail]:
        """But for what was taken in the first `after` requests."""
        return [_received(taken, self._domain) for taken in self._store.all(after)]

    def _route(self, request: Request) -> Reply:
        if request.headers.get("Authorization") != self._authorization:
            return Reply(HTTPStatus.UNAUTHORIZED, b"Forbidden")
        match request.method, request.path:
            case "POST", path if path == f"/v3/{self._domain}/messages":
                return self._send(request)
            case "POST", "/v1/analytics/logs":
                return self._search(json_object(request))
        return _error(HTTPStatus.NOT_FOUND, "Not Found")

    def _send(self, request: Request) -> Reply:
        try:
            fields = multipart(request)
        except FormError:
            return _error(HTTPStatus.BAD_REQUEST, "multipart/form-data is wanted")
        errors = errors_in(fields)
        if errors:
            return _error(HTTPStatus.BAD_REQUEST, errors[0])
        taken = self._keep({"fields": fields}, labels=values(fields, "o:tag"))
        named = f"<{_message_id(taken, self._domain)}>"
        return Reply(HTTPStatus.OK, {"id": named, "message": "Queued. Thank you."})

    def _search(self, search: dict[str, Any] | None) -> Reply:
        now = self._clock().astimezone(UTC)
        try:
            start, end, limit = _span(search, now)
            conditions = _conditions(search)
        except SearchError:
            return _error(HTTPStatus.BAD_REQUEST, "invalid request")
        found = [
            item
            for item in self._log(start, end)
            if all(value in _attribute(item, name) for name, value in conditions)
        ]
        answer = {"start": format_datetime(start), "end": format_datetime(end), "items": found[:limit]}
        return Reply(HTTPStatus.OK, answer | {"pagination": {}, "aggregates": {}})

    def _log(self, start: datetime, end: datetime) -> Iterator[dict[str, Any]]:
        oldest = max(start, self._clock().astimezone(UTC) - _LOG_RETENTION)
        for taken in self._store.all():
            if oldest <= taken.received_at <= end:
                yield _accepted(_received(taken, self._domain), taken, self._domain)


def _span(search: dict[str, Any] | None, now: datetime) -> tuple[datetime, datetime, int]:
    if search is None or set(search) - _SEARCH_FIELDS or set(search.get("events", [])) - {"accepted"}:
        raise SearchError
    try:
        start = parsedate_to_datetime(search["start"]) if "start" in search else now - timedelta(days=1)
        end = parsedate_to_datetime(search["end"]) if "end" in search else now
    except ValueError as error:
        raise SearchError from error
    limit = search.get("pagination", {}).get("limit", _MAX_LIMIT)
    if not isinstance(limit, int) or not 1 <= limit <= _MAX_LIMIT or start > end:
        raise SearchError
    return start, end, limit


def _conditions(search: dict[str, Any] | None) -> list[tuple[str, str]]:
    conditions = (search or {}).get("filter", {}).get("AND", [])
    for condition in conditions:
        if condition["attribute"] not in _ATTRIBUTES or condition["comparator"] != "=":
            raise SearchError
    return [(condition["attribute"], condition["values"][0]["value"]) for condition in conditions]


def _attribute(item: dict[str, Any], name: str) -> list[str]:
    match name:
        case "domain":
            return [item["domain"]["name"]]
        case "tag":
            return list(item["tags"])
        case "subject":
            return [item["message"]["headers"]["subject"]]
    return [item[name]]


def _accepted(email: ReceivedEmail, taken: Taken, domain: str) -> dict[str, Any]:
    return {
        "id": taken.message_id[:22],
        "event": "accepted",
        "@timestamp": taken.received_at.isoformat().replace("+00:00", "Z"),
        "domain": {"name": domain},
        "tags": values(email.request["fields"], "o:tag"),
        "recipient": email.to,
        "user-variables": json.dumps({"key": email.key, "attempt_id": email.attempt_id}),
        "message": {
            "headers": {
                "to": email.to,
                "message-id": email.message_id,
                "from": email.sender,
                "subject": email.subject,
            }
        },
    }


def _message_id(taken: Taken, domain: str) -> str:
    return f"{taken.received_at:%Y%m%d%H%M%S}.{taken.message_id[:16]}@{domain}"


def _received(taken: Taken, domain: str) -> ReceivedEmail:
    request = json.loads(taken.request)
    fields = dict(request["fields"])
    return ReceivedEmail(
        to=fields["to"],
        sender=bare_address(fields["from"]),
        sender_name=display_name(fields["from"]),
        subject=fields["subject"],
        html=fields.get("html", ""),
        text=fields.get("text", ""),
        key=fields.get("v:key", ""),
        attempt_id=fields.get("v:attempt_id", ""),
        message_id=_message_id(taken, domain),
        received_at=taken.received_at,
        request=request,
    )


def _error(status: HTTPStatus, message: str) -> Reply:
    return Reply(status, {"message": message})
