"""SendGrid on loopback: POST /v3/mail/send and POST /v3/logs in the vendor's wire format.

As at the vendor, nothing is idempotent: the same message sent twice arrives twice.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from local.doubles.double import Double, json_object
from local.doubles.received import ReceivedEmail
from local.doubles.sendgrid_logs import LogEntry, QueryError, labels_asked_for, matcher
from local.doubles.sendgrid_mail import errors_in
from local.doubles.server import Reply, Request
from local.doubles.store import Taken

_LOG_RETENTION = timedelta(days=30)
_MAX_LIMIT = 1000


class SendGridDouble(Double):
    def messages(self, after: int = 0) -> list[ReceivedEmail]:
        """But for what was taken in the first `after` requests."""
        return [email for taken in self._store.all(after) for email in _emails(taken)]

    def _route(self, request: Request) -> Reply:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key.strip():
            return _error(HTTPStatus.UNAUTHORIZED, "Permission denied, wrong credentials")
        route = {"/v3/mail/send": self._send, "/v3/logs": self._search}.get(request.path)
        if route is None:
            return _error(HTTPStatus.NOT_FOUND, "not found")
        if request.headers.get_content_type() != "application/json":
            return _error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type should be application/json.")
        document = json_object(request)
        return _error(HTTPStatus.BAD_REQUEST, "Bad Request") if document is None else route(document)

    def _send(self, mail: dict[str, Any]) -> Reply:
        errors = errors_in(mail)
        if errors:
            return Reply(HTTPStatus.BAD_REQUEST, {"errors": errors})
        taken = self._keep(mail, labels=mail.get("categories", []))
        return Reply(HTTPStatus.ACCEPTED, headers={"X-Message-Id": taken.message_id})

    def _search(self, search: dict[str, Any]) -> Reply:
        query, limit = search.get("query", ""), search.get("limit", 10)
        if not isinstance(query, str) or not isinstance(limit, int) or not 1 <= limit <= _MAX_LIMIT:
            return _error(HTTPStatus.BAD_REQUEST, "invalid request")
        try:
            matches = matcher(query)
        except QueryError:
            return _error(HTTPStatus.BAD_REQUEST, "invalid query")
        found = [_public(entry) for entry in self._log(labels_asked_for(query)) if matches(entry)]
        return Reply(HTTPStatus.OK, {"messages": found[:limit]})

    def _log(self, labels: list[str] | None) -> Iterator[LogEntry]:
        oldest = self._clock() - _LOG_RETENTION
        taken = self._store.all() if labels is None else self._store.labelled(labels)
        for row in taken:
            if row.received_at > oldest:
                yield from _log_entries(row)


def _emails(taken: Taken) -> Iterator[ReceivedEmail]:
    mail = json.loads(taken.request)
    bodies = {part["type"]: part["value"] for part in mail["content"]}
    for block in mail["personalizations"]:
        arguments = {**mail.get("custom_args", {}), **block.get("custom_args", {})}
        for recipient in block["to"]:
            yield ReceivedEmail(
                to=recipient["email"],
                sender=mail["from"]["email"],
                sender_name=mail["from"].get("name", ""),
                subject=block.get("subject") or mail["subject"],
                html=bodies.get("text/html", ""),
                text=bodies.get("text/plain", ""),
                key=arguments.get("key", ""),
                attempt_id=arguments.get("attempt_id", ""),
                message_id=taken.message_id,
                received_at=taken.received_at,
                request=mail,
            )


def _log_entries(taken: Taken) -> Iterator[LogEntry]:
    for index, email in enumerate(_emails(taken)):
        yield {
            "from_email": email.sender,
            "sg_message_id": f"{email.message_id}.recvd-double-1-0-{index}.0",
            "subject": email.subject,
            "to_email": email.to,
            "status": "processed",
            "reason": "",
            "sg_message_id_created_at": email.received_at.isoformat().replace("+00:00", "Z"),
            "categories": email.request.get("categories", []),
        }


def _public(entry: LogEntry) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "categories"}


def _error(status: HTTPStatus, message: str) -> Reply:
    return Reply(status, {"errors": [{"message": message, "field": None, "help": None}]})
