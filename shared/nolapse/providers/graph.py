"""E-mail through Microsoft Graph, from a mailbox of the organisation's own.

A message is first a draft, then sent: the draft's immutable id is also the id of the copy in Sent Items, so a
message whose answer was lost can be looked at, and one that did not leave can be kept from leaving. The key
travels as an extended property, which finds it where not even the draft's id came back. Nothing is sent before the
draft's id is known: whatever goes wrong until then is safe to repeat, and a draft left behind is no message.
https://learn.microsoft.com/en-us/graph/outlook-immutable-id
https://learn.microsoft.com/en-us/graph/api/message-send
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import quote, urlencode
from urllib.request import OpenerDirector, Request

from nolapse.domain.messages import Email, Sought
from nolapse.domain.outcomes import Accepted, NotFound, Outcome, ProbeResult, Rejected, RetrySafe, Unknown
from nolapse.providers.deadline_transport import Answer, ConnectError, Deadline, build_opener, exchange
from nolapse.providers.graph_token import ClientCredentials, TokenRefused
from nolapse.providers.judgement import failure, failure_code, refusal
from nolapse.providers.retry_after import retry_delay
from nolapse.providers.unsubscribe import one_click

# https://learn.microsoft.com/en-us/graph/throttling-limits#outlook-service-limits
_CONCURRENT_PER_MAILBOX = 4

_OURS = "{6a1f0c52-93d4-4b7e-8e0b-5d2c7f4b9a31}"
_KEY = f"String {_OURS} Name nolapse-key"
_ATTEMPT = f"String {_OURS} Name nolapse-attempt"
# Headers of a JSON message must begin with x-; a property of this set becomes a header of its name.
# https://learn.microsoft.com/en-us/openspecs/exchange_server_protocols/ms-oxcmail/d296c8c5-27c8-46d4-93a9-4da1d69175cf
_HEADER = "String {00020386-0000-0000-C000-000000000046} Name "
# But for the headers that have a property already, as this one has: PidTagListUnsubscribe.
_PROPERTIES = {"List-Unsubscribe": "String 0x1045"}

# Exchange's codes: https://learn.microsoft.com/en-us/exchange/client-developer/web-service-reference/responsecode
_THE_MESSAGES_FAULT = {"ErrorInvalidRecipients", "ErrorMessageSizeExceeded"}
_OUR_FAULT = {
    "ErrorAccessDenied",
    "ErrorInvalidUser",
    "ErrorItemNotFound",
    "ErrorMailboxStoreUnavailable",
    "ErrorNonExistentMailbox",
    "ErrorQuotaExceeded",
    "ErrorSendAsDenied",
    "ErrorServerBusy",
    "ErrorSubmissionQuotaExceeded",
}
_TRY_LATER = {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}

# What no answer, or one of another shape, raises.
_NO_ANSWER = (ConnectError, OSError, HTTPException, ValueError, LookupError, TypeError)


class MailboxBusy(Exception):
    """As many requests as a mailbox takes were under way until the time was up."""


@dataclass(frozen=True, slots=True)
class GraphApplication:
    """Our registration with an organisation's directory. Application permissions: Mail.ReadWrite and Mail.Send.

    `authority` is `https://login.microsoftonline.com/TENANT`, `url` is `https://graph.microsoft.com`.
    """

    authority: str
    client_id: str
    secret: str = field(repr=False)
    url: str


class Graph:
    """`timeout` bounds a whole exchange, in seconds: token, draft and send."""

    name = "graph"

    def __init__(self, application: GraphApplication, timeout: float) -> None:
        self._opener = build_opener()
        self._url = application.url.rstrip("/")
        self._timeout = timeout
        self._credentials = ClientCredentials(
            application.authority,
            application.client_id,
            application.secret,
            f"{self._url}/.default",
            self._opener,
        )
        self._places: dict[str, BoundedSemaphore] = {}

    def send(self, email: Email) -> Outcome:
        try:
            with self._mailbox(email.sender) as mailbox:
                created = mailbox.ask("POST", "/messages", _message(email))
                if created.status != HTTPStatus.CREATED:
                    return _not_drafted(created)
                return _send_draft(mailbox, str(json.loads(created.body)["id"]))
        except (TokenRefused, MailboxBusy, *_NO_ANSWER) as error:
            return RetrySafe(_code(error), error.delay if isinstance(error, TokenRefused) else None)

    def probe(self, sought: Sought) -> ProbeResult:
        """Look at the draft, or for the key in all of the mailbox: it left if any that is found is a draft no more.

        A draft that is still one is purged, so that a request to send it that is still on its way finds nothing;
        deleted, it would lie in Deleted Items under the same id.
        """
        if sought.sender is None:
            return Unknown("graph:no-mailbox")
        try:
            with self._mailbox(sought.sender) as mailbox:
                found = {
                    str(message["id"]): message
                    for message in (*_by_handle(mailbox, sought.handle), *_by_key(mailbox, sought.key))
                }
                return _settle(mailbox, found)
        except _Refused as error:
            return Unknown(f"graph:{error.status}")
        except (TokenRefused, MailboxBusy, *_NO_ANSWER) as error:
            return Unknown(_code(error))

    @contextmanager
    def _mailbox(self, address: str) -> "Iterator[_Mailbox]":
        deadline = Deadline(self._timeout)
        token = self._credentials.token(deadline)
        places = self._places.setdefault(address.casefold(), BoundedSemaphore(_CONCURRENT_PER_MAILBOX))
        if not places.acquire(timeout=deadline.left()):
            raise MailboxBusy
        try:
            yield _Mailbox(
                self._opener, f"{self._url}/v1.0/users/{quote(address, safe='@')}", token, deadline
            )
        finally:
            places.release()


class _Refused(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"Graph answered {status}")
        self.status = status


class _Mailbox:
    """The requests of one exchange, one after the other, all before its deadline."""

    def __init__(self, opener: OpenerDirector, url: str, token: str, deadline: Deadline) -> None:
        self._opener = opener
        self._url = url
        self._deadline = deadline
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Prefer": 'IdType="ImmutableId"',
        }

    def ask(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> Answer:
        body = None if document is None else json.dumps(document).encode()
        request = Request(self._url + path, body, self._headers, method=method)  # noqa: S310
        return exchange(self._opener, request, self._deadline.left())

    def purge(self, message_id: str) -> bool:
        # https://learn.microsoft.com/en-us/graph/api/message-permanentdelete
        answer = self.ask("POST", f"{_path(message_id)}/permanentDelete")
        return answer.status == HTTPStatus.NO_CONTENT


def _message(email: Email) -> dict[str, Any]:
    """Exchange makes the plain text itself, from the HTML: a JSON message has one body.

    https://learn.microsoft.com/en-us/graph/api/user-post-messages
    """
    headers = one_click(email.unsubscribe_url) if email.unsubscribe_url else {}
    properties = {
        _KEY: email.key,
        _ATTEMPT: email.attempt_id,
        **{_PROPERTIES.get(name, _HEADER + name): value for name, value in headers.items()},
    }
    return {
        "subject": email.content.subject,
        "body": {"contentType": "html", "content": email.content.html},
        "from": {"emailAddress": {"address": email.sender, "name": email.sender_name}},
        "toRecipients": [{"emailAddress": {"address": email.to}}],
        "singleValueExtendedProperties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def _not_drafted(answer: Answer) -> Rejected | RetrySafe:
    outcome = _refusal(answer)
    if isinstance(outcome, Unknown):
        return RetrySafe(outcome.code, retry_delay(answer.headers) if answer.status in _TRY_LATER else None)
    return outcome


def _send_draft(mailbox: _Mailbox, draft_id: str) -> Outcome:
    outcome: Rejected | RetrySafe | Unknown
    try:
        answer = mailbox.ask("POST", f"{_path(draft_id)}/send")
        if answer.status == HTTPStatus.ACCEPTED:
            return Accepted(draft_id)
        outcome = _refusal(answer)
    except _NO_ANSWER as error:
        outcome = failure("graph", error)
    if isinstance(outcome, Unknown):
        return Unknown(outcome.code, draft_id)
    # Tidiness alone: the next try makes a draft of its own, and nobody sends this one.
    with suppress(*_NO_ANSWER):
        mailbox.purge(draft_id)
    return outcome


def _refusal(answer: Answer) -> Rejected | RetrySafe | Unknown:
    code = _error_code(answer.body)
    outcome = refusal("graph", answer.status, answer.headers, code if code in _THE_MESSAGES_FAULT else None)
    if isinstance(outcome, Rejected) and code in _OUR_FAULT:
        return RetrySafe(f"{outcome.code}:{code}", retry_delay(answer.headers))
    return outcome


def _error_code(body: bytes) -> str | None:
    # https://learn.microsoft.com/en-us/graph/errors
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, LookupError, TypeError):
        return None


def _by_handle(mailbox: _Mailbox, handle: str | None) -> Sequence[Mapping[str, Any]]:
    if handle is None:
        return []
    answer = mailbox.ask("GET", f"{_path(handle)}?{urlencode({'$select': 'id,isDraft'})}")
    return [] if answer.status == HTTPStatus.NOT_FOUND else [_document(answer)]


def _by_key(mailbox: _Mailbox, key: str) -> Iterable[Mapping[str, Any]]:
    # https://learn.microsoft.com/en-us/graph/api/singlevaluelegacyextendedproperty-get
    condition = f"ep/id eq '{_KEY}' and ep/value eq '{key}'"
    query = {
        "$filter": f"singleValueExtendedProperties/Any(ep: {condition})",
        "$select": "id,isDraft",
        "$top": "50",
    }
    page = _document(mailbox.ask("GET", f"/messages?{urlencode(query, quote_via=quote)}"))
    # One try leaves one draft: more than a page of them can't be, and a page may be empty before the last.
    if "@odata.nextLink" in page:
        raise ValueError
    found: list[Mapping[str, Any]] = page["value"]
    return found


def _settle(mailbox: _Mailbox, found: Mapping[str, Mapping[str, Any]]) -> ProbeResult:
    if not all(isinstance(message["isDraft"], bool) for message in found.values()):
        raise TypeError
    for message_id, message in found.items():
        if not message["isDraft"]:
            return Accepted(message_id)
    if all(mailbox.purge(message_id) for message_id in found):
        return NotFound()
    return Unknown("graph:draft-remains")


def _document(answer: Answer) -> Mapping[str, Any]:
    """An answer of another shape raises: silence must not be mistaken for "not found"."""
    if answer.status != HTTPStatus.OK:
        raise _Refused(answer.status)
    document: Mapping[str, Any] = json.loads(answer.body)
    return document


def _path(message_id: str) -> str:
    return f"/messages/{quote(message_id, safe='')}"


def _code(error: Exception) -> str:
    return f"graph:token:{error.code}" if isinstance(error, TokenRefused) else failure_code("graph", error)
