"""Microsoft Graph on loopback: drafts, sending them, looking for them and purging them, and the directory's tokens.

An immutable id names a message wherever it lies; the other kind, which whoever does not ask for it gets, is gone
once the draft has moved to Sent Items.
https://learn.microsoft.com/en-us/graph/outlook-immutable-id
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from local.doubles.double import Double, json_object
from local.doubles.graph_directory import Directory
from local.doubles.graph_message import errors_in, properties, unsendable
from local.doubles.received import ReceivedEmail
from local.doubles.server import Fault, Reply, Request
from local.doubles.store import Taken

_RESOURCE = re.compile(r"/v1\.0/users/([^/]+)/messages(?:/([^/]+))?(?:/(send|permanentDelete))?")
_FILTER = re.compile(
    r"singleValueExtendedProperties/Any\(ep: ep/id eq '([^']+)' and ep/value eq '([^']+)'\)", re.IGNORECASE
)
_IMMUTABLE = 'IdType="ImmutableId"'
_QUERY = {"$filter", "$select", "$top"}
_SELECTABLE = {"id", "isDraft", "subject"}
_CONCURRENT_PER_MAILBOX = 4
_MAX_BYTES = 4 * 1024 * 1024
_MAX_TOP = 1000


class GraphDouble(Double):
    """`mailboxes` are the addresses of one tenant that may send."""

    def __init__(
        self,
        store: Path,
        clock: Callable[[], datetime],
        faults: Callable[[], Fault | None] = lambda: None,
        *,
        directory: Directory,
        mailboxes: Collection[str],
    ) -> None:
        super().__init__(store, clock, faults)
        self._directory = directory
        self._mailboxes = {address.casefold() for address in mailboxes}
        self._under_way: Counter[str] = Counter()
        self._counting = Lock()
        self._moving = Lock()

    def messages(self) -> list[ReceivedEmail]:
        """Those that were sent."""
        return [_received(taken) for taken in self._store.all() if not _item(taken)["isDraft"]]

    def drafts(self) -> list[str]:
        return [taken.message_id for taken in self._store.all() if _item(taken)["isDraft"]]

    def _route(self, request: Request) -> Reply:
        granted = self._directory.answer(request)
        if granted is not None:
            return granted
        if not self._directory.knows(request.headers.get("Authorization", "")):
            return _error(HTTPStatus.UNAUTHORIZED, "InvalidAuthenticationToken")
        url = urlsplit(request.path)
        found = _RESOURCE.fullmatch(url.path)
        if found is None:
            return _error(HTTPStatus.BAD_REQUEST, "BadRequest")
        mailbox = unquote(found[1]).casefold()
        if mailbox not in self._mailboxes:
            return _error(HTTPStatus.NOT_FOUND, "ErrorInvalidUser")
        with self._place(mailbox) as free:
            if not free:
                return _error(
                    HTTPStatus.TOO_MANY_REQUESTS, "ApplicationThrottled", headers={"Retry-After": "10"}
                )
            immutable = request.headers.get("Prefer") == _IMMUTABLE
            return self._answer(request, mailbox, found, dict(parse_qsl(url.query)), immutable=immutable)

    def _answer(
        self,
        request: Request,
        mailbox: str,
        found: re.Match[str],
        query: Mapping[str, str],
        *,
        immutable: bool,
    ) -> Reply:
        match request.method, found[2] and unquote(found[2]), found[3]:
            case "POST", None, None:
                return self._draft(request, mailbox, immutable=immutable)
            case "GET", None, None:
                return self._list(query, mailbox, immutable=immutable)
            case "GET", str(shown), None:
                taken = self._find(shown, mailbox)
                return _shown(taken, immutable=immutable) if taken else _error(*_NOT_FOUND)
            case "POST", str(shown), "send":
                return self._send(shown, mailbox)
            case "POST", str(shown), "permanentDelete":
                return self._purge(shown, mailbox)
        return _error(HTTPStatus.METHOD_NOT_ALLOWED, "BadRequest")

    def _draft(self, request: Request, mailbox: str, *, immutable: bool) -> Reply:
        if len(request.body) > _MAX_BYTES:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "ErrorMessageSizeExceeded")
        message = json_object(request)
        errors = ["RequestBodyRead"] if message is None else errors_in(message)
        if message is None or errors:
            return _error(HTTPStatus.BAD_REQUEST, errors[0])
        item = {"mailbox": mailbox, "isDraft": True, "message": message}
        labels = [_label(name, value) for name, value in properties(message).items()]
        return _shown(self._keep(item, labels=labels), HTTPStatus.CREATED, immutable=immutable)

    def _list(self, query: Mapping[str, str], mailbox: str, *, immutable: bool) -> Reply:
        condition = _FILTER.fullmatch(query.get("$filter", ""))
        selected = set(query.get("$select", "id").split(","))
        top = query.get("$top", "10")
        known = set(query) <= _QUERY and selected <= _SELECTABLE
        if condition is None or not known or not top.isdecimal() or not 1 <= int(top) <= _MAX_TOP:
            return _error(HTTPStatus.BAD_REQUEST, "ErrorInvalidUrlQueryFilter")
        matching = [
            _public(taken, immutable=immutable)
            for taken in self._store.labelled([_label(condition[1], condition[2])])
            if _item(taken)["mailbox"] == mailbox
        ]
        page: dict[str, Any] = {"value": matching[: int(top)]}
        if len(matching) > int(top):
            page["@odata.nextLink"] = f"{self.url}/v1.0/users/{mailbox}/messages?$skip={top}"
        return Reply(HTTPStatus.OK, page)

    def _send(self, shown: str, mailbox: str) -> Reply:
        with self._moving:
            taken = self._find(shown, mailbox)
            if taken is None:
                return _error(*_NOT_FOUND)
            item = _item(taken)
            refused = unsendable(item["message"], mailbox) if item["isDraft"] else "ErrorInvalidOperation"
            if refused:
                denied = refused == "ErrorSendAsDenied"
                return _error(HTTPStatus.FORBIDDEN if denied else HTTPStatus.BAD_REQUEST, refused)
            sent = json.dumps(item | {"isDraft": False})
            self._store.change(Taken(taken.message_id, self._clock().astimezone(UTC), sent))
        return Reply(HTTPStatus.ACCEPTED)

    def _purge(self, shown: str, mailbox: str) -> Reply:
        with self._moving:
            taken = self._find(shown, mailbox)
            if taken is None:
                return _error(*_NOT_FOUND)
            self._store.remove(taken.message_id)
        return Reply(HTTPStatus.NO_CONTENT)

    def _find(self, shown: str, mailbox: str) -> Taken | None:
        immutable, _, folder = shown.partition(".")
        taken = self._store.named(immutable)
        if taken is None or _item(taken)["mailbox"] != mailbox:
            return None
        return taken if folder in {"", _folder(taken)} else None

    @contextmanager
    def _place(self, mailbox: str) -> Iterator[bool]:
        with self._counting:
            self._under_way[mailbox] += 1
            free = self._under_way[mailbox] <= _CONCURRENT_PER_MAILBOX
        try:
            yield free
        finally:
            with self._counting:
                self._under_way[mailbox] -= 1


_NOT_FOUND = (HTTPStatus.NOT_FOUND, "ErrorItemNotFound")


def _item(taken: Taken) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(taken.request)
    return item


def _folder(taken: Taken) -> str:
    return "drafts" if _item(taken)["isDraft"] else "sentitems"


def _label(name: str, value: str) -> str:
    """Values are compared without regard to case, names with it."""
    return f"{name}={value.casefold()}"


def _public(taken: Taken, *, immutable: bool) -> dict[str, Any]:
    item = _item(taken)
    shown = taken.message_id if immutable else f"{taken.message_id}.{_folder(taken)}"
    return {"id": shown, "isDraft": item["isDraft"], "subject": item["message"].get("subject", "")}


def _shown(taken: Taken, status: HTTPStatus = HTTPStatus.OK, *, immutable: bool) -> Reply:
    return Reply(status, _public(taken, immutable=immutable))


def _received(taken: Taken) -> ReceivedEmail:
    """As its first recipient gets it. The text is Exchange's own making, from the HTML."""
    item = _item(taken)
    message = item["message"]
    carried = {name.rpartition(" ")[2]: value for name, value in properties(message).items()}
    return ReceivedEmail(
        to=message["toRecipients"][0]["emailAddress"]["address"],
        sender=item["mailbox"],
        sender_name=message["from"]["emailAddress"].get("name", ""),
        subject=message["subject"],
        html=message["body"]["content"],
        text="",
        key=carried.get("nolapse-key", ""),
        attempt_id=carried.get("nolapse-attempt", ""),
        message_id=taken.message_id,
        received_at=taken.received_at,
        request=message,
    )


def _error(status: HTTPStatus, code: str, headers: Mapping[str, str] | None = None) -> Reply:
    """https://learn.microsoft.com/en-us/graph/errors, and the code alone."""
    return Reply(status, {"error": {"code": code, "message": "The request was refused."}}, headers or {})
